/**
 * @file The graphs of training: loss, gradients and update as one program, or as two for gradient accumulation;
 * and graphs that read the same weights for evaluation.
 */
import {
  add,
  concat,
  constant,
  crossEntropy,
  div,
  graphOf,
  input,
  loadBalancingLoss,
  max,
  mean,
  mul,
  reshape,
  slice,
  split,
  zerosLike,
  type Graph,
  type Value,
} from '../graph/ops/build.ts';
import { grad, vjp } from '../graph/passes/grad.ts';
import {
  attentionSegments,
  blockSegments,
  recomputeSegments,
  type ActivationCheckpointing,
  type RecomputeNode,
} from '../graph/passes/activation-checkpointing.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import { useKernels } from '../graph/passes/use-kernels.ts';
import type { ModelFamily } from '../model/family.ts';
import type { Settings } from '../model/settings.ts';
import type { SequenceContext } from '../model/builder-types.ts';
import { createModelBuilder } from '../model/model-builder.ts';
import { wholeSequence } from '../model/sequence.ts';
import type { NamedValue } from '../model/named-value.ts';
import { parametersOf } from '../model/parameters.ts';
import type { Dims } from '../tensor/layout.ts';
import { blendLosses, distillScalar, divergence, sourceName } from './distill.ts';
import { headGradients, headLosses, headParts } from './head.ts';
import { partsOf, sequencesOf, tokensInput, type BatchShape, type StepShape } from './program-shape.ts';
import { lossScaleInputs, nextLossScale, usesLossScaling, type Precision } from './precision.ts';
import { stateName, trainedBuckets, type Bucket, type StatePart } from './state.ts';
import { update, type UpdateSettings } from './update.ts';

/** A model whose weights are stored in buckets. */
export interface BucketModel {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly buckets: readonly Bucket[];
}
/** The frozen model of distillation. */
export interface Teacher {
  readonly model: BucketModel;
  readonly temperature: number;
}

/** The inputs that hold the state, and the weights cut out of them. */
interface ModelState {
  readonly state: (part: StatePart, bucket: Bucket) => Value;
  readonly weights: ReadonlyMap<string, Value>;
}

type StateNaming = (part: StatePart, bucket: Bucket) => string;

/** Creates an input for every state tensor when it is first read. */
function createState({ buckets }: BucketModel, nameOf: StateNaming = stateName): ModelState {
  const inputs = new Map<string, Value>();
  const state = (part: StatePart, bucket: Bucket): Value => {
    const name = nameOf(part, bucket);
    const known = inputs.get(name);
    if (known) return known;
    const created = input(name, 'float32', [bucket.length]);
    inputs.set(name, created);
    return created;
  };
  const weights = buckets.flatMap((bucket) => cutBucket(bucket, state('weights', bucket)));
  return { state, weights: new Map(weights) };
}

/** The weights of a bucket, by name and in their shapes. */
function cutBucket({ slots }: Bucket, flat: Value): readonly (readonly [string, Value])[] {
  const counts = slots.map((slot) => slot.count);
  const parts = slots.length === 1 ? [flat] : split(flat, counts, 0);
  return slots.map((slot, i) => [slot.name, reshape(parts[i]!, slot.shape)] as const);
}

/** The flat gradient of a bucket from the gradients of its weights. */
function joinBucket({ slots }: Bucket, byName: ReadonlyMap<string, Value>): Value {
  const flat = slots.map((slot) => byName.get(slot.name)!);
  return flat.length === 1 ? flat[0]! : concat(flat, 0);
}

/** The weights by name, cut out of the buckets' inputs. */
export const weightValues = (model: BucketModel): ReadonlyMap<string, Value> => createState(model).weights;

type Weights = ReadonlyMap<string, Value>;

/** Output of the last norm [batch, seq, hidden] for `tokens` [batch, seq]. */
function forward(
  { family, dims, settings }: BucketModel,
  weights: Weights,
  tokens: Value,
  context: SequenceContext = wholeSequence,
  onRouterLogits?: (logits: Value) => void,
): NamedValue {
  const builder = createModelBuilder(family, dims, settings, weights, onRouterLogits, context);
  return family.forward(builder, tokens);
}

/** Logits [rows, vocab] from the output of the last norm. */
function logitsOf({ family, dims, settings }: BucketModel, weights: Weights, x: NamedValue): Value {
  const logits = createModelBuilder(family, dims, settings, weights).head(x).value;
  return reshape(logits, [-1, dims['vocab']!]);
}

/**
 * The forward pass of training: output of the last norm, and the load balancing loss (times its coefficient)
 * for a mixture of experts that has one.
 */
function forwardForTraining(
  model: BucketModel,
  weights: Weights,
  tokens: Value,
  context: SequenceContext,
  kernels: KernelChoice,
): { readonly x: NamedValue; readonly auxiliaryLoss?: Value } {
  const routers: Value[] = [];
  const plain = forward(model, weights, tokens, context, (logits) => routers.push(logits));
  const coefficient = Number(model.settings['auxLossCoef'] ?? 0);
  const balances =
    routers.length === 0 || coefficient === 0
      ? []
      : [loadBalancingLoss(routers, Number(model.settings['expertsPerToken']))];
  const [value, balance] = useKernels([plain.value, ...balances], kernels);
  const x = { value: value!, axes: plain.axes };
  return balance ? { x, auxiliaryLoss: mul(balance, coefficient) } : { x };
}

/** `tokens` [batch, seq + 1] as inputs [batch, seq] and as the targets that follow them [batch × seq]. */
function splitTargets(tokens: Value): { readonly inputs: Value; readonly targets: Value } {
  const [batch, length] = tokens.shape as [number, number];
  return {
    inputs: slice(tokens, 1, 0, length - 1),
    targets: reshape(slice(tokens, 1, 1, length), [batch * (length - 1)]),
  };
}

interface Reports {
  readonly loss: Value;
  readonly kl?: Value;
}
interface Gradients {
  /** One per weight, in the order of `wrt`. */
  readonly gradients: readonly Value[];
  readonly reports: Reports;
}

interface BackwardRequest {
  readonly tokens: Value;
  readonly context: SequenceContext;
  /** For a teacher, which has no gradient. */
  readonly forwardContext: SequenceContext;
  /** The weights to differentiate by. */
  readonly wrt: readonly Value[];
  /** Gradient of the loss itself: 1, or the loss scale. */
  readonly seed: Value;
  /** Chooses what the backward pass recomputes, from the values that the gradients start at. */
  readonly checkpoint: (outputs: readonly Value[]) => RecomputeNode | undefined;
  /** Most bytes of the logits of one part of the head. */
  readonly logitsBytes: number;
  readonly kernels: KernelChoice;
}

/**
 * The mean loss of a batch and its gradient, flat per bucket that is trained. With a teacher, `kl` is reported too and
 * the gradient is that of the blended loss.
 */
function lossAndGradients(
  model: BucketModel,
  { weights }: ModelState,
  shape: StepShape,
  teacher?: Teacher,
  seed: Value = constant(1),
): { readonly reports: Reports; readonly gradients: readonly Value[] } {
  const trained = trainedBuckets(model.buckets);
  const slots = trained.flatMap((bucket) => bucket.slots);
  const sequences = sequencesOf(shape);
  const request: BackwardRequest = {
    tokens: tokensInput(shape),
    context: sequences.training,
    forwardContext: sequences.forward,
    wrt: slots.map((slot) => weights.get(slot.name)!),
    seed,
    checkpoint: (outputs) =>
      chooseRecomputed(model, weights, outputs, shape.activationCheckpointing ?? 'off'),
    logitsBytes: partsOf(shape).logitsBytes,
    kernels: shape.kernelChoice ?? noKernels,
  };
  const { gradients, reports } = teacher
    ? distillBackward(model, weights, teacher, request)
    : plainBackward(model, weights, request);
  // Reshaped in the order in which they were made: the norm sums them in that order, and memory is freed early.
  const inOrder = slots
    .map((slot, i) => ({ slot, gradient: gradients[i]! }))
    .sort((a, b) => a.gradient.id - b.gradient.id);
  const byName = new Map(
    inOrder.map(({ slot, gradient }) => [slot.name, reshape(gradient, [slot.count])] as const),
  );
  return { reports, gradients: trained.map((bucket) => joinBucket(bucket, byName)) };
}

function chooseRecomputed(
  { family, dims, settings }: BucketModel,
  weights: Weights,
  outputs: readonly Value[],
  checkpointing: ActivationCheckpointing,
): RecomputeNode | undefined {
  if (checkpointing === 'off') return undefined;
  if (checkpointing === 'attention') return recomputeSegments(attentionSegments(outputs), outputs);
  const layerOf = new Map(
    parametersOf(family, dims, settings).map((p) => [weights.get(p.name), p.layer ?? -1] as const),
  );
  return recomputeSegments(
    blockSegments(outputs, (value) => layerOf.get(value)),
    outputs,
  );
}

/** Next-token loss; the head runs over parts of the rows. */
function plainBackward(
  model: BucketModel,
  weights: Weights,
  { tokens, context, wrt, seed, checkpoint, logitsBytes, kernels }: BackwardRequest,
): Gradients {
  const { inputs, targets } = splitTargets(tokens);
  const { x, auxiliaryLoss } = forwardForTraining(model, weights, inputs, context, kernels);
  const head = (part: NamedValue): Value => logitsOf(model, weights, part);
  const parts = headParts(targets.shape[0]!, model.dims['vocab']!, logitsBytes);
  const { loss, seeds } = headGradients(head, x, targets, parts, wrt, seed, kernels);
  const allSeeds = auxiliaryLoss ? [...seeds, { value: auxiliaryLoss, gradient: seed }] : seeds;
  const outputs = auxiliaryLoss ? [x.value, auxiliaryLoss] : [x.value];
  const found = vjp(allSeeds, wrt, { recompute: checkpoint(outputs) });
  const gradients = found.map((gradient, i) => gradient ?? zerosLike(wrt[i]!));
  return { gradients, reports: { loss } };
}

/** Next-token loss blended with the divergence from the teacher. Both need the logits of all rows. */
function distillBackward(
  model: BucketModel,
  weights: Weights,
  { model: source, temperature }: Teacher,
  { tokens, context, forwardContext, wrt, seed, checkpoint, kernels }: BackwardRequest,
): Gradients {
  const { inputs, targets } = splitTargets(tokens);
  const sourceWeights = createState(source, (_, bucket) => sourceName(bucket)).weights;
  const { x, auxiliaryLoss } = forwardForTraining(model, weights, inputs, context, kernels);
  const logits = logitsOf(model, weights, x);
  const sourceLogits = logitsOf(
    source,
    sourceWeights,
    forward(source, sourceWeights, inputs, forwardContext),
  );
  const [losses] = useKernels([crossEntropy(logits, targets)], kernels);
  const loss = mean(losses!);
  const kl = divergence(logits, sourceLogits, temperature);
  const blended = blendLosses(loss, kl, distillScalar());
  const objective = auxiliaryLoss ? add(blended, auxiliaryLoss) : blended;
  return {
    gradients: grad(objective, wrt, { seed, recompute: checkpoint([objective]) }),
    reports: { loss, kl },
  };
}

/**
 * tokens → `loss` (and `kl` with a teacher), `gradNorm`, `updateRatio`, `applied` and the next state. Outputs of
 * the state are named `next/…` after the input that they replace.
 */
export function stepProgram(
  model: BucketModel,
  shape: StepShape,
  settings: UpdateSettings,
  teacher?: Teacher,
): Graph {
  const state = createState(model);
  const lossScale = usesLossScaling(shape.precision ?? 'float32') ? lossScaleInputs() : undefined;
  const { reports, gradients } = lossAndGradients(model, state, shape, teacher, lossScale?.factor);
  const next = updateState(model, state, gradients, settings, reports.loss, 1, lossScale);
  return graphOf(nameOutputs({ ...reports, ...next }));
}

/**
 * tokens → `loss` (and `kl`), and `gradient/…` times `keep` (0 for the first micro-batch of an update, then 1)
 * plus the gradient of this micro-batch.
 */
export function accumulateProgram(model: BucketModel, shape: StepShape, teacher?: Teacher): Graph {
  const seed = usesLossScaling(shape.precision ?? 'float32') ? lossScaleInputs().factor : undefined;
  const { reports, gradients } = lossAndGradients(model, createState(model), shape, teacher, seed);
  const keep = input('keep', 'float32', []);
  const sums = trainedBuckets(model.buckets).map((bucket, i) => {
    const name = stateName('gradient', bucket);
    const sum = input(name, 'float32', [bucket.length]);
    return [name, add(mul(sum, keep), gradients[i]!)] as const;
  });
  return graphOf(nameOutputs({ ...reports, ...Object.fromEntries(sums) }));
}

/** The update from gradients summed over `gradAccum` micro-batches. Input `loss` is their mean loss. */
export function updateProgram(
  model: BucketModel,
  settings: UpdateSettings,
  gradAccum: number,
  precision: Precision = 'float32',
): Graph {
  const gradients = trainedBuckets(model.buckets).map((bucket) =>
    input(stateName('gradient', bucket), 'float32', [bucket.length]),
  );
  const lossScale = usesLossScaling(precision) ? lossScaleInputs() : undefined;
  const loss = input('loss', 'float32', []);
  const state = createState(model);
  return graphOf(nameOutputs(updateState(model, state, gradients, settings, loss, 1 / gradAccum, lossScale)));
}

/**
 * The next state. The true gradient is `gradients` times `scale`, divided by the loss scale where there is one;
 * then the next loss scale is an output too.
 */
function updateState(
  model: BucketModel,
  { state }: ModelState,
  gradients: readonly Value[],
  settings: UpdateSettings,
  loss: Value,
  scale: number,
  lossScale?: ReturnType<typeof lossScaleInputs>,
): Readonly<Record<string, Value>> {
  const buckets = trainedBuckets(model.buckets);
  if (!lossScale) return update(buckets, state, gradients, settings, { loss, scale });
  // A copy of the input: the reported scale must be read before the next one is written in its place.
  const factor = max(lossScale.factor, 1);
  const next = update(buckets, state, gradients, settings, { loss, scale: div(scale, factor) });
  return { ...next, scale: factor, ...nextLossScale({ ...lossScale, factor }, next['gradNorm']!) };
}

/** tokens [batch, seq + 1] (and their documents) → `losses` [batch × seq] in nats. */
export function lossProgram(model: BucketModel, shape: BatchShape): Graph {
  const { weights } = createState(model);
  const { inputs, targets } = splitTargets(tokensInput(shape));
  const x = forward(model, weights, inputs, sequencesOf(shape).forward);
  const parts = headParts(targets.shape[0]!, model.dims['vocab']!, partsOf(shape).logitsBytes);
  const losses = headLosses((part) => logitsOf(model, weights, part), x, targets, parts);
  return graphOf({ losses });
}

/** tokens [batch, seq] → `logits` [batch × seq, vocab]. */
export function logitsProgram(model: BucketModel, shape: BatchShape): Graph {
  const { weights } = createState(model);
  const { forward: context } = sequencesOf({ ...shape, documentMask: 'off' });
  const x = forward(model, weights, tokensInput(shape, 0), context);
  return graphOf({ logits: logitsOf(model, weights, x) });
}

/** ONNX does not allow an output with the name of an input: the next value of `a/b` is named `next/a/b`. */
const nameOutputs = (outputs: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [name.includes('/') ? `next/${name}` : name, value]),
  );
