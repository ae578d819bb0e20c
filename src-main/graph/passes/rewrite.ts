/**
 * @file Rebuilds a graph node by node. Inputs keep their identity; nodes that no output needs any more
 * disappear.
 */
import { emit, nodesOf, type Graph, type Node, type Value } from '../graph.ts';

/** The replacement of a node's outputs, given its rewritten inputs; undefined keeps the node. */
export type Rule = (node: Node, inputs: readonly Value[]) => readonly Value[] | undefined;

/**
 * `graph` with `rule` applied to every node in order of creation. Kept nodes are created again, so that the
 * order of creation stays that of the program.
 */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const replacements = new Map<Value, Value>();
  const replacementOf = (v: Value): Value => replacements.get(v) ?? v;
  for (const node of nodesOf(Object.values(graph.outputs))) {
    const inputs = node.inputs.map(replacementOf);
    const outputs = rule(node, inputs) ?? emit(node.op, inputs, node.attrs);
    node.outputs.forEach((v, i) => replacements.set(v, outputs[i]!));
  }
  const outputs = Object.entries(graph.outputs).map(([name, v]) => [name, replacementOf(v)] as const);
  return { inputs: graph.inputs, outputs: Object.fromEntries(outputs) };
}
