/**
 * @file The programs of training: loss, gradients and update as one graph, or in two halves for accumulation;
 * and the same weights read for evaluation and for writing.
 */
import {
  add,
  concat,
  constant,
  crossEntropy,
  div,
  graphOf,
  input,
  max,
  mean,
  mul,
  reshape,
  slice,
  split,
  unevenness,
  zerosLike,
  type Graph,
  type Value,
} from '../graph/ops/build.ts';
import { grad, vjp } from '../graph/passes/grad.ts';
import {
  attentionSegments,
  blockSegments,
  recomputeFor,
  remakeOf,
  type Recompute,
  type Remake,
} from '../graph/passes/recompute.ts';
import type { ModelFamily, Settings } from '../model/family.ts';
import { apart, readerOf, whole, type Placing } from '../model/layers.ts';
import type { Named } from '../model/named.ts';
import { parametersOf } from '../model/parameters.ts';
import type { Dims } from '../tensor/layout.ts';
import { blended, distillScalar, divergence, sourceName } from './distill.ts';
import { headGradients, headLosses, headParts } from './head.ts';
import { isScaled, nextScaling, scalingInputs, type Precision } from './precision.ts';
import { stateName, type Bucket, type StatePart } from './state.ts';
import { update, type UpdateSettings } from './update.ts';

/** A model whose weights lie in buckets. */
export interface BucketModel {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly buckets: readonly Bucket[];
}
export interface BatchShape {
  readonly batch: number;
  readonly sequence: number;
  /** `apart`: tokens hear those of their own document alone, and the input `documents` [batch, sequence] tells which that is. */ readonly documents?:
    'joined' | 'apart';
}
/**
 * A batch, and how its gradient is computed: in plain float32 and from activations that are all held, unless
 * said.
 */
export interface StepShape extends BatchShape {
  readonly precision?: Precision;
  readonly recompute?: Recompute | 'auto';
}
/** The frozen model that is learned from, and at which temperature. */
export interface Teacher {
  readonly model: BucketModel;
  readonly temperature: number;
}

/** The inputs that hold the state, one value per name, and the weights cut out of them. */
interface Opened {
  readonly state: (part: StatePart, bucket: Bucket) => Value;
  readonly weights: ReadonlyMap<string, Value>;
}

function open(
  { buckets }: BucketModel,
  nameOf: (part: StatePart, bucket: Bucket) => string = stateName,
): Opened {
  const made = new Map<string, Value>();
  const state = (part: StatePart, bucket: Bucket): Value => {
    const name = nameOf(part, bucket);
    if (!made.has(name)) made.set(name, input(name, 'float32', [bucket.length]));
    return made.get(name)!;
  };
  const weights = buckets.flatMap((bucket) => {
    const whole = state('weights', bucket);
    const cut =
      bucket.slots.length === 1
        ? [whole]
        : split(
            whole,
            bucket.slots.map((s) => s.count),
            0,
          );
    return bucket.slots.map((slot, i) => [slot.name, reshape(cut[i]!, slot.shape)] as const);
  });
  return { state, weights: new Map(weights) };
}

/** The weights by name, cut out of the buckets' inputs. */
export const weightValues = (m: BucketModel): ReadonlyMap<string, Value> => open(m).weights;

/** Logits [rows, vocab] of a last norm's output. */
const logitsOf = (m: BucketModel, weights: ReadonlyMap<string, Value>, x: Named): Value => {
  const logits = readerOf(m.family, m.dims, m.settings, weights).head(x).value;
  return reshape(logits, [-1, m.dims['vocab']!]);
};

/**
 * The last norm's output in training, and what is added to the loss for uneven use of experts, where there
 * are any.
 */
function trained(
  m: BucketModel,
  weights: ReadonlyMap<string, Value>,
  tokens: Value,
  placing: Placing,
): { readonly x: Named; readonly uneven?: Value } {
  const routers: Value[] = [];
  const x = m.family.forward(
    readerOf(
      m.family,
      m.dims,
      m.settings,
      weights,
      (logits) => {
        routers.push(logits);
      },
      placing,
    ),
    tokens,
  );
  const share = Number(m.settings['balance'] ?? 0);
  return routers.length === 0 || share === 0
    ? { x }
    : { x, uneven: mul(unevenness(routers, Number(m.settings['active'])), share) };
}

/**
 * The tokens that a row is read from [batch, sequence], and those that follow each of them [batch ×
 * sequence].
 */
function halves(tokens: Value): { readonly seen: Value; readonly targets: Value } {
  const [batch, length] = tokens.shape as [number, number];
  return {
    seen: slice(tokens, 1, 0, length - 1),
    targets: reshape(slice(tokens, 1, 1, length), [batch * (length - 1)]),
  };
}

/** Next-token losses [batch × sequence] in nats of `tokens` [batch, sequence + 1]. */
function losses(m: BucketModel, weights: ReadonlyMap<string, Value>, tokens: Value, placing: Placing): Value {
  const { seen, targets } = halves(tokens);
  const x = m.family.forward(readerOf(m.family, m.dims, m.settings, weights, undefined, placing), seen);
  return headLosses((part) => logitsOf(m, weights, part), x, targets, m.dims['vocab']!);
}

/** Where the tokens of a batch stand. */
const placingOf = ({ batch, sequence, documents }: BatchShape): Placing =>
  documents === 'apart' ? apart(input('documents', 'int32', [batch, sequence])) : whole;

const tokensIn = ({ batch, sequence }: BatchShape, more = 1): Value =>
  input('tokens', 'int32', [batch, sequence + more]);

/** What is told of a batch, and the gradient of what is aimed at, in the order of `wrt`. */
interface Graded {
  readonly found: readonly Value[];
  readonly reports: Readonly<{ loss: Value; kl?: Value }>;
}

/**
 * Mean loss of a batch and the gradient, flat per bucket; with a teacher `kl` beside it, and the gradient is
 * that of both.
 */
function lossAndGradients(
  m: BucketModel,
  { weights }: Opened,
  shape: StepShape,
  teacher?: Teacher,
  seed: Value = constant(1),
): { readonly reports: Graded['reports']; readonly gradients: readonly Value[] } {
  const slots = m.buckets.flatMap((b) => b.slots);
  const wrt = slots.map((s) => weights.get(s.name)!);
  const recompute = recomputeFor(shape.recompute ?? 'off', shape.sequence);
  const remake = (aims: readonly Value[]): Remake | undefined => remade(m, weights, aims, recompute);
  const { found, reports } = teacher
    ? taught(m, weights, tokensIn(shape), placingOf(shape), teacher, wrt, seed, remake)
    : plainly(m, weights, tokensIn(shape), placingOf(shape), wrt, seed, remake);
  // In the order in which they were made: the norm adds them up in that order, and what a gradient was
  // computed from is let go of.
  const made = slots.map((slot, i) => ({ slot, g: found[i]! })).sort((a, b) => a.g.id - b.g.id);
  const each = new Map(made.map(({ slot, g }) => [slot.name, reshape(g, [slot.count])]));
  return {
    reports,
    gradients: m.buckets.map((b) =>
      b.slots.length === 1
        ? each.get(b.slots[0]!.name)!
        : concat(
            b.slots.map((s) => each.get(s.name)!),
            0,
          ),
    ),
  };
}

/** What is made again in the backward pass. */
function remade(
  m: BucketModel,
  weights: ReadonlyMap<string, Value>,
  aims: readonly Value[],
  recompute: Recompute,
): Remake | undefined {
  if (recompute === 'off') return undefined;
  const layers = new Map(
    parametersOf(m.family, m.dims, m.settings).map((p) => [weights.get(p.name), p.layer ?? -1] as const),
  );
  return remakeOf(
    recompute === 'attention' ? attentionSegments(aims) : blockSegments(aims, (v) => layers.get(v)),
    aims,
  );
}

type Remaking = (aims: readonly Value[]) => Remake | undefined;

/** The loss alone, its head in parts. */
function plainly(
  m: BucketModel,
  weights: ReadonlyMap<string, Value>,
  tokens: Value,
  placing: Placing,
  wrt: readonly Value[],
  seed: Value,
  remake: Remaking,
): Graded {
  const { seen, targets } = halves(tokens);
  const { x, uneven } = trained(m, weights, seen, placing);
  const { loss, seeds } = headGradients(
    (part) => logitsOf(m, weights, part),
    x,
    targets,
    headParts(targets.shape[0]!, m.dims['vocab']!),
    wrt,
    seed,
  );
  const all = uneven ? [...seeds, { of: uneven, g: seed }] : seeds;
  return {
    found: vjp(all, wrt, { remake: remake([x.value, ...(uneven ? [uneven] : [])]) }).map(
      (g, i) => g ?? zerosLike(wrt[i]!),
    ),
    reports: { loss },
  };
}

/** The loss and the divergence from the teacher; both need whole logits. */
function taught(
  m: BucketModel,
  weights: ReadonlyMap<string, Value>,
  tokens: Value,
  placing: Placing,
  { model, temperature }: Teacher,
  wrt: readonly Value[],
  seed: Value,
  remake: Remaking,
): Graded {
  const { seen, targets } = halves(tokens);
  const theirs = open(model, (_, bucket) => sourceName(bucket)).weights;
  const { x, uneven } = trained(m, weights, seen, placing);
  const logits = logitsOf(m, weights, x);
  const source = logitsOf(
    model,
    theirs,
    model.family.forward(
      readerOf(model.family, model.dims, model.settings, theirs, undefined, placing),
      seen,
    ),
  );
  const loss = mean(crossEntropy(logits, targets));
  const kl = divergence(logits, source, temperature);
  const both = blended(loss, kl, distillScalar());
  const aim = uneven ? add(both, uneven) : both;
  return { found: grad(aim, wrt, { seed, remake: remake([aim]) }), reports: { loss, kl } };
}

/**
 * tokens → `loss` (and `kl` with a teacher), `norm`, `ratio`, `applied` and the whole next state; the state's
 * outputs carry the names of its inputs.
 */
export function stepProgram(m: BucketModel, shape: StepShape, s: UpdateSettings, teacher?: Teacher): Graph {
  const opened = open(m);
  const scaling = isScaled(shape.precision ?? 'float32') ? scalingInputs() : undefined;
  const { reports, gradients } = lossAndGradients(m, opened, shape, teacher, scaling?.factor);
  return graphOf(renamed({ ...reports, ...updated(m, opened, gradients, s, reports.loss, 1, scaling) }));
}

/**
 * tokens → `loss` (and `kl`), and `gradient/…` times `keep` (0 for the first batch of an update, then 1) plus
 * this batch's gradient.
 */
export function accumulateProgram(m: BucketModel, shape: StepShape, teacher?: Teacher): Graph {
  const { reports, gradients } = lossAndGradients(
    m,
    open(m),
    shape,
    teacher,
    isScaled(shape.precision ?? 'float32') ? scalingInputs().factor : undefined,
  );
  const keep = input('keep', 'float32', []);
  const sums = m.buckets.map(
    (b, i) =>
      [
        stateName('gradient', b),
        add(mul(input(stateName('gradient', b), 'float32', [b.length]), keep), gradients[i]!),
      ] as const,
  );
  return graphOf(renamed({ ...reports, ...Object.fromEntries(sums) }));
}

/** The update from gradients summed over `accumulate` batches; the input `loss` is their mean loss. */
export function updateProgram(
  m: BucketModel,
  s: UpdateSettings,
  accumulate: number,
  precision: Precision = 'float32',
): Graph {
  const gradients = m.buckets.map((b) => input(stateName('gradient', b), 'float32', [b.length]));
  return graphOf(
    renamed(
      updated(
        m,
        open(m),
        gradients,
        s,
        input('loss', 'float32', []),
        1 / accumulate,
        isScaled(precision) ? scalingInputs() : undefined,
      ),
    ),
  );
}

/**
 * The update from gradients that are `share` of their sum, times the loss scale where there is one; with the
 * next scale.
 */
function updated(
  m: BucketModel,
  { state }: Opened,
  gradients: readonly Value[],
  s: UpdateSettings,
  loss: Value,
  share: number,
  scaling?: ReturnType<typeof scalingInputs>,
): Readonly<Record<string, Value>> {
  if (!scaling) return update(m.buckets, state, gradients, s, { loss, scale: share });
  // A value of its own, which the next scale is made from: what is told must have been read before the next
  // takes the input's place.
  const factor = max(scaling.factor, 1);
  const next = update(m.buckets, state, gradients, s, { loss, scale: div(share, factor) });
  return { ...next, scale: factor, ...nextScaling({ ...scaling, factor }, next['norm']!) };
}

/** tokens [batch, sequence + 1] (and their documents) → `losses` [batch × sequence] in nats. */
export function lossProgram(m: BucketModel, shape: BatchShape): Graph {
  return graphOf({ losses: losses(m, open(m).weights, tokensIn(shape), placingOf(shape)) });
}

/** tokens [batch, sequence] → `logits` [batch × sequence, vocab]. */
export function logitsProgram(m: BucketModel, shape: BatchShape): Graph {
  const { weights } = open(m);
  return graphOf({
    logits: logitsOf(
      m,
      weights,
      m.family.forward(readerOf(m.family, m.dims, m.settings, weights), tokensIn(shape, 0)),
    ),
  });
}

/** An output may not carry the name of an input in ONNX: `next/…` is what `…` becomes. */
const renamed = (outputs: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [name.includes('/') ? `next/${name}` : name, value]),
  );
