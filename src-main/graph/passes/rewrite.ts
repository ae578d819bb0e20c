/**
 * @file Rebuilding a graph node by node; inputs keep their identity, nodes that nothing needs are left
 * behind.
 */
import { emit, nodesOf, type Graph, type Node, type Value } from '../graph.ts';

/** What a node becomes, given its already rewritten inputs; undefined leaves it as it is. */
export type Rule = (node: Node, inputs: readonly Value[]) => readonly Value[] | undefined;

/**
 * `graph` with `rule` applied to every node. All nodes are made anew, so that the order of creation stays the
 * program's.
 */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const now = new Map<Value, Value>();
  const current = (v: Value): Value => now.get(v) ?? v;
  for (const node of nodesOf(Object.values(graph.outputs))) {
    const inputs = node.inputs.map(current);
    const outputs = rule(node, inputs) ?? emit(node.op, inputs, node.attrs);
    node.outputs.forEach((v, i) => now.set(v, outputs[i]!));
  }
  return {
    inputs: graph.inputs,
    outputs: Object.fromEntries(Object.entries(graph.outputs).map(([name, v]) => [name, current(v)])),
  };
}
