/** @file The programs of training: loss, gradients and update as one graph, or in two halves for accumulation; and the same weights read for evaluation and for writing. */
import { add, concat, crossEntropy, gather, graphOf, input, mean, mul, reshape, slice, split, type Graph, type Value } from '../graph/build.ts';
import { grad } from '../graph/grad.ts';
import type { ModelFamily, Settings } from '../model/family.ts';
import { readerOf } from '../model/layers.ts';
import type { Named } from '../model/named.ts';
import type { Dims } from '../tensor/layout.ts';
import { adamw, clipFactor, globalNorm, stepScalars, type AdamSettings } from './optimizer.ts';
import { stateName, stateParts, type Bucket, type StatePart } from './state.ts';

/** A model whose weights lie in buckets. */
export interface BucketModel { readonly family: ModelFamily; readonly dims: Dims; readonly settings: Settings; readonly buckets: readonly Bucket[] }
export interface BatchShape { readonly batch: number; readonly sequence: number }

/** The inputs that hold the state, one value per name, and the weights cut out of them. */
interface Opened {
  readonly state: (part: StatePart, bucket: Bucket) => Value;
  readonly weights: ReadonlyMap<string, Value>;
}

function open({ buckets }: BucketModel): Opened {
  const made = new Map<string, Value>();
  const state = (part: StatePart, bucket: Bucket): Value => {
    const name = stateName(part, bucket);
    if (!made.has(name)) made.set(name, input(name, 'float32', [bucket.length]));
    return made.get(name)!;
  };
  const weights = buckets.flatMap((bucket) => {
    const whole = state('weights', bucket);
    const cut = bucket.slots.length === 1 ? [whole] : split(whole, bucket.slots.map((s) => s.count), 0);
    return bucket.slots.map((slot, i) => [slot.name, reshape(cut[i]!, slot.shape)] as const);
  });
  return { state, weights: new Map(weights) };
}

/** Logits [rows, vocab] of a last norm's output. */
const logitsOf = (m: BucketModel, weights: ReadonlyMap<string, Value>, x: Named): Value => {
  const logits = readerOf(m.family, m.dims, m.settings, weights).head(x).value;
  return reshape(logits, [-1, m.dims['vocab']!]);
};

/** Next-token losses [batch × sequence] in nats of `tokens` [batch, sequence + 1]. */
function losses(m: BucketModel, weights: ReadonlyMap<string, Value>, tokens: Value): Value {
  const [batch, length] = tokens.shape as [number, number];
  const x = m.family.forward(readerOf(m.family, m.dims, m.settings, weights), slice(tokens, 1, 0, length - 1));
  return crossEntropy(logitsOf(m, weights, x), reshape(slice(tokens, 1, 1, length), [batch * (length - 1)]));
}

const tokensIn = ({ batch, sequence }: BatchShape, more = 1): Value => input('tokens', 'int32', [batch, sequence + more]);

/** Mean loss of a batch and its gradient, flat per bucket. */
function lossAndGradients(m: BucketModel, opened: Opened, shape: BatchShape): { readonly loss: Value; readonly gradients: readonly Value[] } {
  const loss = mean(losses(m, opened.weights, tokensIn(shape)));
  const slots = m.buckets.flatMap((b) => b.slots);
  const each = new Map(grad(loss, slots.map((s) => opened.weights.get(s.name)!)).map((g, i) => [slots[i]!.name, reshape(g, [slots[i]!.count])]));
  return { loss, gradients: m.buckets.map((b) => (b.slots.length === 1 ? each.get(b.slots[0]!.name)! : concat(b.slots.map((s) => each.get(s.name)!), 0))) };
}

function update(m: BucketModel, opened: Opened, gradients: readonly Value[], adam: AdamSettings, scale: number): Readonly<Record<string, Value>> {
  const scalars = stepScalars(), norm = mul(globalNorm(gradients), scale), factor = mul(clipFactor(norm, scalars.clip), scale);
  const next = m.buckets.map((bucket, i) => adamw(bucket, (part) => opened.state(part, bucket), gradients[i]!, factor, adam, scalars));
  return Object.assign({ norm }, ...next) as Record<string, Value>;
}

/** tokens → loss, norm and the whole next state; the state's outputs carry the names of its inputs. */
export function stepProgram(m: BucketModel, shape: BatchShape, adam: AdamSettings): Graph {
  const opened = open(m), { loss, gradients } = lossAndGradients(m, opened, shape);
  return graphOf(renamed({ loss, ...update(m, opened, gradients, adam, 1) }));
}

/** tokens → loss, and `gradient/…` times `keep` (0 for the first batch of an update, then 1) plus this batch's gradient. */
export function accumulateProgram(m: BucketModel, shape: BatchShape): Graph {
  const { loss, gradients } = lossAndGradients(m, open(m), shape), keep = input('keep', 'float32', []);
  const sums = m.buckets.map((b, i) => [stateName('gradient', b), add(mul(input(stateName('gradient', b), 'float32', [b.length]), keep), gradients[i]!)] as const);
  return graphOf(renamed({ loss, ...Object.fromEntries(sums) }));
}

/** The update from gradients summed over `accumulate` batches. */
export function updateProgram(m: BucketModel, adam: AdamSettings, accumulate: number): Graph {
  const gradients = m.buckets.map((b) => input(stateName('gradient', b), 'float32', [b.length]));
  return graphOf(renamed(update(m, open(m), gradients, adam, 1 / accumulate)));
}

/** tokens [batch, sequence + 1] → `losses` [batch × sequence] in nats. */
export function lossProgram(m: BucketModel, shape: BatchShape): Graph {
  return graphOf({ losses: losses(m, open(m).weights, tokensIn(shape)) });
}

/** tokens [batch, sequence] → `logits` [batch × sequence, vocab]. */
export function logitsProgram(m: BucketModel, shape: BatchShape): Graph {
  const { weights } = open(m);
  return graphOf({ logits: logitsOf(m, weights, m.family.forward(readerOf(m.family, m.dims, m.settings, weights), tokensIn(shape, 0))) });
}

/** tokens [1, sequence] and `at` [1] → `logits` [vocab] after position `at`. */
export function nextProgram(m: BucketModel, sequence: number): Graph {
  const { weights } = open(m), x = m.family.forward(readerOf(m.family, m.dims, m.settings, weights), tokensIn({ batch: 1, sequence }, 0));
  const last = gather(x.value, input('at', 'int32', [1]), 1);
  return graphOf({ logits: reshape(logitsOf(m, weights, { value: last, axes: x.axes }), [m.dims['vocab']!]) });
}

/** An output may not carry the name of an input in ONNX: `next/…` is what `…` becomes. */
const renamed = (outputs: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name.includes('/') ? `next/${name}` : name, value]));

/** Names of the state's inputs; `next/` before each is its output. */
export const stateNames = (buckets: readonly Bucket[]): readonly string[] => buckets.flatMap((b) => stateParts.map((part) => stateName(part, b)));

