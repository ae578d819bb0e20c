/** @file What a graph costs, read off its nodes: products, and the memory of what is alive at once in the order in which ONNX Runtime runs it. */
import { bytesOf } from '../tensor/dtype.ts';
import { countOf, nodesOf, type Graph, type Node, type Value } from './graph.ts';

/** Floating point operations of one run; only products count, as in 6N. */
export const flopsOf = ({ outputs }: Graph): number =>
  nodesOf(Object.values(outputs)).reduce((n, { op, inputs, outputs: [out], attrs }) => n + (op.flops?.(inputs, out!, attrs) ?? 0), 0);

/**
 * The order of ONNX Runtime's sequential executor for a model that `onnxModel` wrote: back from the nodes that nobody reads, depth first,
 * of several the one with the higher number in the file first, which is the one made earlier.
 */
export function executionOrder({ outputs }: Graph): readonly Node[] {
  const nodes = nodesOf(Object.values(outputs)), place = new Map(nodes.map((node, i) => [node, i])), read = new Set(nodes.flatMap((node) => node.inputs.map((v) => v.node)));
  const lastFirst = (some: Iterable<Node>): Node[] => [...some].sort((a, b) => place.get(b)! - place.get(a)!);
  const order: Node[] = [], seen = new Set<Node>(), done = new Set<Node>(), stack = lastFirst(nodes.filter((node) => !read.has(node)));
  for (let node = stack.at(-1); node; node = stack.at(-1)) {
    if (seen.has(node)) {
      stack.pop();
      if (!done.has(node)) { done.add(node); order.push(node); }
      continue;
    }
    seen.add(node);
    for (const from of lastFirst(new Set(node.inputs.flatMap((v) => v.node ?? [])))) if (!seen.has(from)) stack.push(from);
  }
  return order;
}

/** What a run holds at its worst moment. */
export interface Liveness {
  /** Most bytes of activations held at once: what nodes make, not inputs or constants. */
  readonly peak: number;
  /** The node during which that is so; undefined for a graph without nodes. */
  readonly at?: Node;
  /** What is held then. */
  readonly held: readonly Value[];
}

export interface LivenessOptions {
  /** Outputs that are written into memory that is there already, by name. */
  readonly inPlace?: (name: string) => boolean;
  readonly order?: readonly Node[];
}

/** Follows the nodes: an output is held from its node to its last use, views hold what they show, and an elementwise node writes into an operand that ends with it. */
export function liveness(graph: Graph, { inPlace = () => false, order = executionOrder(graph) }: LivenessOptions = {}): Liveness {
  const roots = new Map<Value, Value>(), lastUse = new Map<Value, Node | 'end'>(), elsewhere = new Set<Value>();
  const rootOf = (v: Value): Value => roots.get(v) ?? v;
  for (const node of order) {
    if (node.op.view) roots.set(node.outputs[0]!, rootOf(node.inputs[0]!));
    for (const v of [...node.outputs, ...node.inputs]) lastUse.set(rootOf(v), node);
  }
  for (const [name, v] of Object.entries(graph.outputs)) {
    lastUse.set(rootOf(v), 'end');
    if (inPlace(name)) elsewhere.add(rootOf(v));
  }
  const bytes = (v: Value): number => (elsewhere.has(v) ? 0 : bytesOf(v.dtype, countOf(v.shape)));
  const alive = new Set<Value>();
  let held = 0, peak = 0, at: Node | undefined, then: readonly Value[] = [];
  for (const node of order) {
    const made = node.outputs.filter((v) => rootOf(v) === v), ending = new Set([...node.inputs, ...made].map(rootOf).filter((v) => v.node && lastUse.get(v) === node));
    const reused = node.op.elementwise && [...ending].some((v) => v.node !== node && bytes(v) === bytes(made[0]!)) ? bytes(made[0]!) : 0;
    for (const v of made) { held += bytes(v); alive.add(v); }
    if (held - reused > peak) { peak = held - reused; at = node; then = [...alive]; }
    for (const v of ending) { held -= bytes(v); alive.delete(v); }
  }
  return at ? { peak, at, held: then } : { peak, held: then };
}
