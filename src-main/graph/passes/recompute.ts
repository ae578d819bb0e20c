/**
 * @file Activation recomputation: parts of the forward pass that are made again when their gradient comes
 * back, instead of being held until then.
 */
import { add, mul } from '../ops/elementwise.ts';
import { countOf, emit, nodesOf, type Node, type Value } from '../graph.ts';
import { reshape, slice } from '../ops/movement.ts';
import { isFloat } from '../shapes.ts';
import { bytesOf } from '../../tensor/dtype.ts';

/** `attention`: scores and their softmax are made again; `full`: everything between two blocks. */
export type Recompute = 'off' | 'attention' | 'full';

/** From so many tokens on, scores are the larger part of what attention holds. */
const longText = 512;
/**
 * `auto`: attention is made again where a sequence is long, so that no scores of one layer wait for those of
 * the next.
 */
export const recomputeFor = (recompute: Recompute | 'auto', sequence: number): Recompute =>
  recompute === 'auto' ? (sequence >= longText ? 'attention' : 'off') : recompute;

/**
 * The node that a gradient rule is to look at, given the gradient that arrived at the original; `finished`
 * are the gradients of weights that are there by then.
 */
export type Remake = (
  node: Node,
  g: Value,
  finished: () => readonly Value[],
) => Pick<Node, 'inputs' | 'outputs'>;

/**
 * Nodes of a segment (in order of creation) are made again, once, from what enters it. What leaves the
 * segment is held anyway and is not made again.
 * The copies wait for the gradient, and for those of the weights after the segment, which would otherwise be
 * put off and hold what they are computed from:
 * what enters is added to a zero that is computed from them, which no optimizer can fold, merge with the
 * original, or move to the front.
 */
export function remakeOf(segments: readonly (readonly Node[])[], results: readonly Value[]): Remake {
  const segmentOf = new Map<Node, number>(
    segments.flatMap((nodes, i) => nodes.map((node) => [node, i] as const)),
  );
  const leaving = new Set<Value>(results);
  const weights = new Set<Value>();
  for (const node of nodesOf(results)) {
    for (const v of node.inputs) if (v.node && segmentOf.get(v.node) !== segmentOf.get(node)) leaving.add(v);
    if (node.inputs.every((v) => v.constant ?? (v.node ? weights.has(v) : isFloat(v))))
      for (const v of node.outputs) weights.add(v);
  }
  const made = new Map<number, (v: Value) => Value>();
  const awaited = new Set<Value>();
  const again = (nodes: readonly Node[], awaiting: readonly Value[]): ((v: Value) => Value) => {
    const zero = mul(awaiting.map((v) => reshape(slice(reshape(v, [-1]), 0, 0, 1), [])).reduce(add), 0);
    const now = new Map<Value, Value>();
    const inside = new Set(nodes);
    const entering = (v: Value): Value => {
      if (!v.node || weights.has(v) || !isFloat(v) || inside.has(v.node)) return v;
      const held = now.get(v) ?? add(v, zero);
      now.set(v, held);
      return held;
    };
    const current = (v: Value): Value => now.get(v) ?? entering(v);
    for (const node of nodes) {
      if (node.outputs.every((v) => weights.has(v))) continue;
      const outputs = emit(node.op, node.inputs.map(current), node.attrs);
      node.outputs.forEach((v, i) => {
        now.set(v, outputs[i]!);
      });
    }
    return (v) => (v.node && inside.has(v.node) && leaving.has(v) ? v : current(v));
  };
  return (node, g, finished) => {
    const segment = segmentOf.get(node);
    if (segment === undefined) return node;
    let current = made.get(segment);
    if (!current) {
      const more = finished().filter((v) => v.node && !awaited.has(v));
      for (const v of more) awaited.add(v);
      made.set(segment, (current = again(segments[segment]!, [g, ...more])));
    }
    return { inputs: node.inputs.map(current), outputs: node.outputs.map(current) };
  };
}

/**
 * The attentions of a forward pass, one segment each: rows that are one, and those spelled out from a product
 * to the softmax to the next product.
 */
export function attentionSegments(results: readonly Value[]): readonly (readonly Node[])[] {
  const nodes = nodesOf(results);
  const users = new Map<Value, Node[]>();
  for (const node of nodes) for (const v of node.inputs) users.set(v, [...(users.get(v) ?? []), node]);
  const spelled = (softmax: Node): readonly Node[] => {
    const found = new Set<Node>([softmax]);
    const waiting = [softmax];
    for (let node = waiting.pop(); node; node = waiting.pop())
      for (const { node: from } of node.inputs) {
        if (!from || found.has(from)) continue;
        found.add(from);
        if (from.op.name !== 'MatMul') waiting.push(from);
      }
    for (let out = softmax.outputs[0]!; ;) {
      const [next, ...others] = users.get(out) ?? [];
      if (!next || others.length > 0) break;
      found.add(next);
      if (next.op.name === 'MatMul' || !next.op.view) break;
      out = next.outputs[0]!;
    }
    return [...found].sort((a, b) => a.outputs[0]!.id - b.outputs[0]!.id);
  };
  return nodes.flatMap((node) =>
    node.op.name === 'Attention' ? [[node]] : node.op.name === 'Softmax' ? [spelled(node)] : [],
  );
}

/**
 * The blocks of a forward pass, one segment each: from the place where least crosses before the first weight
 * of a layer is used, to that place of the next.
 * `layerOf` tells the layer of a weight: undefined for what is no weight, -1 for a weight outside the layers.
 */
export function blockSegments(
  results: readonly Value[],
  layerOf: (weight: Value) => number | undefined,
): readonly (readonly Node[])[] {
  const nodes = nodesOf(results);
  const weights = new Map<Value, number>();
  const uses: (number | undefined)[] = [];
  nodes.forEach((node, i) => {
    const layers = node.inputs.map((v) => layerOf(v) ?? weights.get(v));
    const own = layers.find((l) => l !== undefined);
    if (
      own !== undefined &&
      node.inputs.every((v) => !v.node || layerOf(v) !== undefined || weights.has(v)) &&
      node.op.view
    )
      node.outputs.forEach((v) => weights.set(v, own));
    else uses[i] = own;
  });
  const layers = [...new Set(uses.filter((l): l is number => l !== undefined && l >= 0))].sort(
    (a, b) => a - b,
  );
  const first = (l: number): number => uses.indexOf(l);
  const last = (l: number): number => uses.lastIndexOf(l);
  const after = (i: number): number => {
    const next = uses.findIndex((l, j) => j > i && l !== undefined);
    return next < 0 ? nodes.length : next;
  };
  const crossing = crossings(nodes, weights, layerOf);
  const cut = (from: number, to: number): number => {
    let best = to;
    for (let p = to - 1; p >= from; p--) if (crossing[p]! < crossing[best]!) best = p;
    return best;
  };
  if (layers.length === 0) return [];
  const starts = layers.map((l, i) =>
    cut(
      i === 0 ? uses.findLastIndex((u, j) => j < first(l) && u !== undefined) + 1 : last(layers[i - 1]!) + 1,
      first(l),
    ),
  );
  const end = last(layers.at(-1)!) + 1;
  const ends = [...starts.slice(1), cut(end, after(end - 1))];
  return starts.map((start, i) => nodes.slice(start, ends[i]));
}

/** Bytes of activations made before each node and used at it or after it; one entry more for the end. */
function crossings(
  nodes: readonly Node[],
  weights: ReadonlyMap<Value, number>,
  layerOf: (v: Value) => number | undefined,
): readonly number[] {
  const lastUse = new Map<Value, number>();
  const changes = new Array<number>(nodes.length + 2).fill(0);
  nodes.forEach((node, i) => {
    for (const v of node.inputs) lastUse.set(v, i);
  });
  nodes.forEach((node, i) => {
    for (const v of node.outputs) {
      const used = lastUse.get(v);
      if (used === undefined || weights.has(v) || layerOf(v) !== undefined) continue;
      const bytes = bytesOf(v.dtype, countOf(v.shape));
      changes[i + 1]! += bytes;
      changes[used + 1]! -= bytes;
    }
  });
  let held = 0;
  return changes.map((c) => (held += c));
}
