/**
 * @file Activation checkpointing: the backward pass recomputes parts of the forward pass instead of keeping
 * their activations in memory.
 */
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countOf, emit, nodesOf, type Node, type OpNode, type Value } from '../graph.ts';
import { add, mul } from '../ops/elementwise.ts';
import { reshape, slice } from '../ops/movement.ts';
import { isFloat } from '../types.ts';

/** What is recomputed: nothing, attention scores and their softmax, or all activations inside a block. */
export type ActivationCheckpointing = 'off' | 'attention' | 'full';

/** From this context length on, scores are the larger part of the memory of attention. */
const longContext = 512;

/** Resolves `auto`: attention is recomputed for long contexts only. */
export function resolveCheckpointing(
  setting: ActivationCheckpointing | 'auto',
  contextLength: number,
): ActivationCheckpointing {
  if (setting !== 'auto') return setting;
  return contextLength >= longContext ? 'attention' : 'off';
}

/**
 * The node that the gradient rule of `node` reads: `node` itself or a recomputed copy. `g` is the gradient of
 * its output; `weightGradients` returns the gradients of weights that are complete so far.
 */
export type RecomputeNode = (
  node: Node,
  g: Value,
  weightGradients: () => readonly Value[],
) => Pick<OpNode, 'inputs' | 'outputs'>;

/**
 * Recomputes the nodes of each segment (in order of creation) once, from the inputs of the segment. Outputs
 * of the segment are kept anyway and not recomputed.
 *
 * The copies depend on the incoming gradient and on the gradients of the weights behind the segment, which
 * would otherwise run later and keep their inputs in memory. The dependency is a zero, computed from them and
 * added to the inputs of the segment: no optimizer can fold it, merge the copies with the originals, or move
 * them to the front.
 */
export function recomputeSegments(
  segments: readonly (readonly Node[])[],
  results: readonly Value[],
): RecomputeNode {
  const segmentOf = new Map<Node, number>(
    segments.flatMap((nodes, i) => nodes.map((node) => [node, i] as const)),
  );
  const { outputs, weights } = classifyValues(segmentOf, results);
  const recomputed = new Map<number, (v: Value) => Value>();
  const awaited = new Set<Value>();
  return (node, g, weightGradients) => {
    const segment = segmentOf.get(node);
    if (segment === undefined) return node;
    let copyOf = recomputed.get(segment);
    if (!copyOf) {
      const newGradients = weightGradients().filter((v) => v.node && !awaited.has(v));
      for (const v of newGradients) awaited.add(v);
      copyOf = copySegment(segments[segment]!, [g, ...newGradients], outputs, weights);
      recomputed.set(segment, copyOf);
    }
    return { inputs: node.inputs.map(copyOf), outputs: node.outputs.map(copyOf) };
  };
}

/**
 * Outputs of segments: values that nodes outside of their segment use. Weights: values computed from float
 * inputs and constants only.
 */
function classifyValues(
  segmentOf: ReadonlyMap<Node, number>,
  results: readonly Value[],
): { readonly outputs: ReadonlySet<Value>; readonly weights: ReadonlySet<Value> } {
  const outputs = new Set<Value>(results);
  const weights = new Set<Value>();
  const isWeight = (v: Value): boolean => {
    if (v.constant) return true;
    return v.node ? weights.has(v) : isFloat(v);
  };
  for (const node of nodesOf(results)) {
    for (const v of node.inputs) {
      if (v.node && segmentOf.get(v.node) !== segmentOf.get(node)) outputs.add(v);
    }
    if (node.inputs.every(isWeight)) for (const v of node.outputs) weights.add(v);
  }
  return { outputs, weights };
}

/**
 * Copies the nodes of a segment so that they run after `awaited` are computed. Returns the function from a
 * value to its copy; weights, outputs of the segment and values that are not floats stay themselves.
 */
function copySegment(
  nodes: readonly Node[],
  awaited: readonly Value[],
  outputs: ReadonlySet<Value>,
  weights: ReadonlySet<Value>,
): (v: Value) => Value {
  const firstElements = awaited.map((v) => reshape(slice(reshape(v, [-1]), 0, 0, 1), []));
  const zero = mul(firstElements.reduce(add), 0);
  const copies = new Map<Value, Value>();
  const inside = new Set(nodes);
  const delayed = (v: Value): Value => {
    if (!v.node || weights.has(v) || !isFloat(v) || inside.has(v.node)) return v;
    const copy = add(v, zero);
    copies.set(v, copy);
    return copy;
  };
  const copyOf = (v: Value): Value => copies.get(v) ?? delayed(v);
  for (const node of nodes) {
    if (node.outputs.every((v) => weights.has(v))) continue;
    const copied = emit(node.op, node.inputs.map(copyOf), node.attrs);
    node.outputs.forEach((v, i) => {
      copies.set(v, copied[i]!);
    });
  }
  return (v) => (v.node && inside.has(v.node) && outputs.has(v) ? v : copyOf(v));
}

/**
 * The attentions of a forward pass, one segment each: `Attention` nodes, and attentions that consist of
 * several nodes from a product to the softmax to the next product.
 */
export function attentionSegments(results: readonly Value[]): readonly (readonly Node[])[] {
  const nodes = nodesOf(results);
  const users = new Map<Value, Node[]>();
  for (const node of nodes) for (const v of node.inputs) users.set(v, [...(users.get(v) ?? []), node]);
  return nodes.flatMap((node) => {
    if (node.op.name === 'Attention') return [[node]];
    return node.op.name === 'Softmax' ? [segmentAround(node, users)] : [];
  });
}

/** The nodes from the products that a softmax depends on to the product that uses it. */
function segmentAround(softmax: Node, users: ReadonlyMap<Value, readonly Node[]>): readonly Node[] {
  const segment = new Set<Node>([softmax]);
  const pending = [softmax];
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const { node: producer } of node.inputs) {
      if (!producer || segment.has(producer)) continue;
      segment.add(producer);
      if (producer.op.name !== 'MatMul') pending.push(producer);
    }
  }
  let output = softmax.outputs[0]!;
  for (;;) {
    const [user, ...others] = users.get(output) ?? [];
    if (!user || others.length > 0) break;
    segment.add(user);
    if (user.op.name === 'MatMul' || !user.op.view) break;
    output = user.outputs[0]!;
  }
  return [...segment].sort((a, b) => a.outputs[0]!.id - b.outputs[0]!.id);
}

/**
 * The layer that a weight belongs to: undefined for a value that is no weight, -1 for a weight outside of the
 * layers.
 */
export type LayerOf = (weight: Value) => number | undefined;

/**
 * The blocks of a forward pass, one segment each. A block begins before the first use of a weight of its
 * layer, at the point where the fewest bytes of activations are alive, and ends where the next one begins.
 */
export function blockSegments(results: readonly Value[], layerOf: LayerOf): readonly (readonly Node[])[] {
  const nodes = nodesOf(results);
  const { layers: used, weightViews } = usedLayers(nodes, layerOf);
  const layers = [...new Set(used.filter((layer) => layer !== undefined && layer >= 0))] as number[];
  layers.sort((a, b) => a - b);
  if (layers.length === 0) return [];
  const liveBytes = liveBytesBefore(nodes, (v) => weightViews.has(v) || layerOf(v) !== undefined);
  /** The last position in [from, to] with the fewest live bytes. */
  const cheapestCut = (from: number, to: number): number => {
    let best = to;
    for (let i = to - 1; i >= from; i--) if (liveBytes[i]! < liveBytes[best]!) best = i;
    return best;
  };
  const starts = layers.map((layer, i) => {
    const first = used.indexOf(layer);
    const previous =
      i === 0
        ? used.findLastIndex((other, j) => j < first && other !== undefined)
        : used.lastIndexOf(layers[i - 1]!);
    return cheapestCut(previous + 1, first);
  });
  const last = used.lastIndexOf(layers.at(-1)!);
  const next = used.findIndex((layer, j) => j > last && layer !== undefined);
  const end = cheapestCut(last + 1, next < 0 ? nodes.length : next);
  return starts.map((start, i) => nodes.slice(start, starts[i + 1] ?? end));
}

/** For each node, the layer whose weight it uses. Views of weights count as weights and not as uses. */
function usedLayers(
  nodes: readonly Node[],
  layerOf: LayerOf,
): { readonly layers: readonly (number | undefined)[]; readonly weightViews: ReadonlyMap<Value, number> } {
  const weightViews = new Map<Value, number>();
  const layers: (number | undefined)[] = [];
  nodes.forEach((node, i) => {
    const layer = node.inputs.map((v) => layerOf(v) ?? weightViews.get(v)).find((l) => l !== undefined);
    const hasOnlyWeights = node.inputs.every(
      (v) => !v.node || layerOf(v) !== undefined || weightViews.has(v),
    );
    if (layer !== undefined && hasOnlyWeights && node.op.view) {
      for (const v of node.outputs) weightViews.set(v, layer);
    } else {
      layers[i] = layer;
    }
  });
  return { layers, weightViews };
}

/**
 * Bytes of activations that exist before each node and are used by it or a later one, and a last entry for
 * the end.
 */
function liveBytesBefore(nodes: readonly Node[], isWeight: (v: Value) => boolean): readonly number[] {
  const lastUse = new Map<Value, number>();
  const changes = new Array<number>(nodes.length + 2).fill(0);
  nodes.forEach((node, i) => {
    for (const v of node.inputs) lastUse.set(v, i);
  });
  nodes.forEach((node, i) => {
    for (const v of node.outputs) {
      const used = lastUse.get(v);
      if (used === undefined || isWeight(v)) continue;
      const bytes = byteLengthOf(v.dtype, countOf(v.shape));
      changes[i + 1]! += bytes;
      changes[used + 1]! -= bytes;
    }
  });
  let live = 0;
  return changes.map((change) => {
    live += change;
    return live;
  });
}
