/** @file What a graph costs, read off its nodes. */
import { bytesOf } from '../tensor/dtype.ts';
import { countOf, nodesOf, type Graph, type Node, type Value } from './graph.ts';

/** Floating point operations of one run; only products count, as in 6N. */
export const flopsOf = ({ outputs }: Graph): number =>
  nodesOf(Object.values(outputs)).reduce((n, { op, inputs, outputs: [out], attrs }) => n + (op.flops?.(inputs, out!, attrs) ?? 0), 0);

export interface Liveness {
  /** Most bytes of activations held at once: what nodes make, not inputs or constants. */
  readonly peak: number;
  /** The node during which that is so; undefined for a graph without nodes. */
  readonly at?: Node;
}

/** Follows the nodes in order: an output is held from its node to its last use, views hold what they show, and an elementwise node writes into an operand that ends with it. */
export function liveness({ outputs }: Graph): Liveness {
  const results = Object.values(outputs), nodes = nodesOf(results), roots = new Map<Value, Value>(), lastUse = new Map<Value, Node | 'end'>();
  const rootOf = (v: Value): Value => roots.get(v) ?? v;
  for (const node of nodes) {
    if (node.op.view) roots.set(node.outputs[0]!, rootOf(node.inputs[0]!));
    for (const v of [...node.outputs, ...node.inputs]) lastUse.set(rootOf(v), node);
  }
  for (const v of results) lastUse.set(rootOf(v), 'end');
  const bytes = (v: Value): number => bytesOf(v.dtype, countOf(v.shape));
  let held = 0, peak = 0, at: Node | undefined;
  for (const node of nodes) {
    const made = node.outputs.filter((v) => rootOf(v) === v), ending = new Set([...node.inputs, ...made].map(rootOf).filter((v) => v.node && lastUse.get(v) === node));
    const reused = node.op.elementwise && [...ending].some((v) => v.node !== node && bytes(v) === bytes(made[0]!)) ? bytes(made[0]!) : 0;
    held += made.reduce((n, v) => n + bytes(v), 0);
    if (held - reused > peak) [peak, at] = [held - reused, node];
    for (const v of ending) held -= bytes(v);
  }
  return at ? { peak, at } : { peak };
}
