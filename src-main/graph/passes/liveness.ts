/**
 * @file What a graph costs, read off its nodes: products, and the memory of what is alive at once in the
 * order in which ONNX Runtime runs it.
 */
import { bytesOf } from '../../tensor/dtype.ts';
import { countOf, nodesOf, typeText, type Graph, type Node, type Value } from '../graph.ts';

/** Floating point operations of one run; only products count, as in 6N. */
export const flopsOf = ({ outputs }: Graph): number =>
  nodesOf(Object.values(outputs)).reduce(
    (n, { op, inputs, outputs: [out], attrs }) => n + (op.flops?.(inputs, out!, attrs) ?? 0),
    0,
  );

/**
 * The order of ONNX Runtime's sequential executor for a model that `onnxModel` wrote: back from the nodes
 * that nobody reads, depth first,
 * of several the one with the higher number in the file first, which is the one made earlier.
 */
export function executionOrder({ outputs }: Graph): readonly Node[] {
  const nodes = nodesOf(Object.values(outputs));
  const place = new Map(nodes.map((node, i) => [node, i]));
  const read = new Set(nodes.flatMap((node) => node.inputs.map((v) => v.node)));
  const lastFirst = (some: Iterable<Node>): Node[] => [...some].sort((a, b) => place.get(b)! - place.get(a)!);
  const order: Node[] = [];
  const seen = new Set<Node>();
  const done = new Set<Node>();
  const stack = lastFirst(nodes.filter((node) => !read.has(node)));
  for (let node = stack.at(-1); node; node = stack.at(-1)) {
    if (seen.has(node)) {
      stack.pop();
      if (!done.has(node)) {
        done.add(node);
        order.push(node);
      }
      continue;
    }
    seen.add(node);
    for (const from of lastFirst(new Set(node.inputs.flatMap((v) => v.node ?? []))))
      if (!seen.has(from)) stack.push(from);
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

/**
 * A piece of memory that several values use one after the other: from the first node that writes it to the
 * last that reads it, the time between them included.
 */
interface Buffer {
  readonly bytes: number;
  readonly from: number;
  until: number;
  readonly values: { readonly value: Value; readonly made: number; gone: number }[];
}

/**
 * Follows the nodes as ONNX Runtime's planner does: an output is held from its node to its last use, views
 * hold what they show, an elementwise node writes into an operand that ends with it,
 * and any other output takes the newest buffer of its very shape that is free by then, which is therefore
 * held in between as well.
 */
export function liveness(
  graph: Graph,
  { inPlace = () => false, order = executionOrder(graph) }: LivenessOptions = {},
): Liveness {
  const roots = new Map<Value, Value>();
  const lastUse = new Map<Value, number>();
  const elsewhere = new Set<Value>();
  const end = order.length;
  const rootOf = (v: Value): Value => roots.get(v) ?? v;
  order.forEach((node, i) => {
    if (node.op.view) roots.set(node.outputs[0]!, rootOf(node.inputs[0]!));
    for (const v of [...node.outputs, ...node.inputs]) lastUse.set(rootOf(v), i);
  });
  for (const [name, v] of Object.entries(graph.outputs)) {
    lastUse.set(rootOf(v), end);
    if (inPlace(name)) elsewhere.add(rootOf(v));
  }
  const kindOf = (v: Value): string => typeText(v);
  const buffers: Buffer[] = [];
  const bufferOf = new Map<Value, Buffer>();
  const free = new Map<string, Buffer[]>();
  const put = (v: Value, i: number, buffer: Buffer): void => {
    buffer.values.push({ value: v, made: i, gone: lastUse.get(v)! });
    buffer.until = Math.max(buffer.until, lastUse.get(v)!);
    bufferOf.set(v, buffer);
  };
  order.forEach((node, i) => {
    const ending = [...new Set(node.inputs.map(rootOf))].filter(
      (v) => bufferOf.has(v) && lastUse.get(v) === i,
    );
    const taken = new Set<Value>();
    for (const v of node.outputs) {
      if (rootOf(v) !== v || elsewhere.has(v)) continue;
      const shown = node.op.elementwise
        ? node.inputs.find(
            (from) => kindOf(from) === kindOf(v) && ending.includes(rootOf(from)) && !taken.has(rootOf(from)),
          )
        : undefined;
      const over = shown && rootOf(shown);
      const spare = over ? undefined : free.get(kindOf(v))?.pop();
      if (over) taken.add(over);
      const fresh: Buffer = { bytes: bytesOf(v.dtype, countOf(v.shape)), from: i, until: i, values: [] };
      if (!over && !spare) buffers.push(fresh);
      put(v, i, over ? bufferOf.get(over)! : (spare ?? fresh));
    }
    for (const v of [...ending, ...node.outputs]) {
      const buffer = bufferOf.get(v);
      if (buffer && !taken.has(v) && lastUse.get(v) === i)
        free.set(kindOf(v), [...(free.get(kindOf(v)) ?? []), buffer]);
    }
  });
  const changes = new Array<number>(end + 2).fill(0);
  for (const { bytes, from, until } of buffers) {
    changes[from]! += bytes;
    changes[until + 1]! -= bytes;
  }
  let held = 0;
  let peak = 0;
  let at = -1;
  order.forEach((_, i) => {
    held += changes[i]!;
    if (held > peak) {
      peak = held;
      at = i;
    }
  });
  if (at < 0) return { peak, held: [] };
  const then = buffers
    .filter((b) => b.from <= at && b.until >= at)
    .map((b) => (b.values.findLast((v) => v.made <= at) ?? b.values[0]!).value);
  return { peak, at: order[at]!, held: then };
}
