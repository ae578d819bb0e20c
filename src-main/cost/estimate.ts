/**
 * @file The estimate of a training run: compute, memory, time, energy, cost and disk, on the devices of this
 * computer and on rented ones. A pure function, so that the page and the command line show the same figures.
 */
import type { DeviceKind } from '../base/device.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import type { ActivationCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import { familyById } from '../model/families/index.ts';
import { parametersOf } from '../model/parameters.ts';
import type { PromiseKind } from '../model/promise.ts';
import { byteLengthOf } from '../tensor/dtype.ts';
import { countElements } from '../tensor/layout.ts';
import { stepsOf, tokensPerStep } from '../train/schedule.ts';
import { partsOf } from '../train/optimizers/index.ts';
import { checkPrecision, precisionsOf } from '../train/precision.ts';
import { mostKept } from '../train/retention.ts';
import type { DeviceBook } from './book.ts';
import { chooseCheckpointing } from './checkpointing.ts';
import {
  estimateOnDevice,
  kernelsOn,
  workloadOf,
  type DeviceEstimate,
  type DeviceEstimateInput,
  type Workload,
} from './device-estimate.ts';
import { ownOffer, rentalOffers, type Offer } from './offers.ts';
import type { Programs, Subject } from './programs.ts';
import { scaleRange, type Range } from './range.ts';
import { estimateFromScratch } from './scratch.ts';
import type { Target } from './speed.ts';
import { ruleOfThumb } from './work.ts';

export type { DeviceEstimate } from './device-estimate.ts';
export type { Offer } from './offers.ts';

export interface EstimateRequest extends DeviceEstimateInput {
  /** Parameters of the source of a grown model. Without it there is no comparison with random weights. */
  readonly sourceParameters?: number;
  /** Tokens that the source was trained on, if they are known. */
  readonly sourceTokens?: number;
  /** What the growth preserves. The comparison needs a growth that keeps the loss of the source. */
  readonly growthPromise?: PromiseKind;
  /** The devices of this computer; the run uses the first. */
  readonly targets: readonly Target[];
  readonly book: DeviceBook;
}

/** A model of the same size trained from random weights to the loss of the source. */
export interface ScratchEstimate {
  readonly tokens: Range;
  readonly flops: Range;
  readonly seconds?: Range;
  /** US dollars. */
  readonly money?: Range;
  readonly assumption: string;
}

/** A stage of a run that grows while it trains. */
export interface StageEstimate {
  readonly parameters: number;
  readonly tokens: number;
  readonly flops: number;
  /** On the device that the run uses; absent if its speed is unknown. */
  readonly seconds?: Range;
}

/** For a run with stages: sums over all of them, the parameters of the last, and the memory of the largest. */
export interface Estimate {
  readonly parameters: number;
  readonly steps: number;
  readonly tokens: number;
  /** Training FLOPs: counted in the graphs (`perToken`, `total`), and per token by the rule of thumb. */
  readonly flops: { readonly perToken: number; readonly total: number; readonly rule: number };
  /** Bytes, except `kept`, which is the number of checkpoints. */
  readonly disk: {
    readonly perSave: number;
    readonly kept: number;
    readonly exported: number;
    readonly total: number;
  };
  /** The devices of this computer that support the precision, in the order of the request. */
  readonly here: readonly DeviceEstimate[];
  /** Your own devices first, then rented ones: cheapest first, those that do not fit last. */
  readonly offers: readonly Offer[];
  readonly scratch?: ScratchEstimate;
  /** Why there is no comparison with random weights, as a clause, for a growth that keeps the loss. */
  readonly scratchRefusal?: string;
  readonly stages?: readonly StageEstimate[];
}

/** Throws the errors of the settings that training would throw. */
export function estimate(request: EstimateRequest): Estimate {
  const { subject, training: s, targets, book, assumptions } = request;
  const steps = stepsOf(s);
  const tokens = steps * tokensPerStep(s);
  if (s.device !== 'auto') checkPrecision(s.device, s.precision);
  const workloads = new Map<string, Workload>();
  const workloadWith = (
    kind: DeviceKind,
    activationCheckpointing: ActivationCheckpointing,
    kernels: KernelChoice,
  ): Workload => {
    const key = [kind, activationCheckpointing, ...kernels].join(' ');
    const workload =
      workloads.get(key) ?? workloadOf(subject, { ...s, activationCheckpointing }, kind, steps, kernels);
    workloads.set(key, workload);
    return workload;
  };
  const workloadOn = (target: Pick<Target, 'kind' | 'memory' | 'kernels'>): Workload => {
    const { kind, memory } = target;
    // The engine chooses activation checkpointing before it knows its kernels.
    const bytesWith = (checkpointing: ActivationCheckpointing): number =>
      workloadWith(kind, checkpointing, noKernels).memory.total.likely;
    return workloadWith(kind, chooseCheckpointing(s, kind, memory, bytesWith), kernelsOn(target, s));
  };
  const estimateOn = (target: Target): DeviceEstimate =>
    estimateOnDevice(request, target, workloadOn(target));

  const usable = targets.filter(({ kind }) => precisionsOf(kind).includes(s.precision));
  const here = usable.map(estimateOn);
  const own = here.flatMap((device) => ownOffer(device, assumptions) ?? []);
  const rented = precisionsOf('cuda').includes(s.precision) ? rentalOffers(book, estimateOn) : [];
  const offers = [...own, ...rented];

  const { programs, step } = workloadOn(usable[0] ?? { kind: 'cuda', memory: null });
  const { parameters } = programs;
  const perToken = step.work.flops / tokensPerStep(s);
  const result: Estimate = {
    parameters,
    steps,
    tokens,
    flops: {
      perToken,
      total: perToken * tokens,
      rule: ruleOfThumb(parameters, subject.dims, s.contextLength),
    },
    disk: estimateDisk(request, programs),
    here,
    offers,
  };
  return { ...result, ...compareWithScratch(request, result, here[0], own[0] ?? offers[0]) };
}

const float32Bytes = 4;

function estimateDisk({ subject, training: s }: EstimateRequest, { buckets }: Programs): Estimate['disk'] {
  const perSave = buckets.reduce((n, b) => n + float32Bytes * b.length * partsOf(b, s).length, 0);
  const kept = mostKept(s, stepsOf(s));
  const exported = exportedBytes(subject);
  return { perSave, kept, exported, total: kept * perSave + exported };
}

/** Bytes of an export, which keeps the types of the weights in their files. */
function exportedBytes({ family: id, dims, settings, tensors = [] }: Subject): number {
  const types = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
  return parametersOf(familyById(id), dims, settings).reduce(
    (n, { name, shape }) => n + byteLengthOf(types.get(name) ?? 'float32', countElements(shape)),
    0,
  );
}

/** Time and cost from random weights: those of the run, in proportion to the tokens. */
function compareWithScratch(
  { sourceParameters, sourceTokens, growthPromise }: EstimateRequest,
  { parameters, tokens, flops }: Estimate,
  device: DeviceEstimate | undefined,
  offer: Offer | undefined,
): Pick<Estimate, 'scratch' | 'scratchRefusal'> {
  if (sourceParameters === undefined || growthPromise !== 'function-preserving') return {};
  const needed = estimateFromScratch(sourceParameters, parameters, sourceTokens);
  if ('why' in needed) return { scratchRefusal: needed.why };
  const ratio = scaleRange(needed.tokens, 1 / tokens);
  const scale = (r: Range): Range => ({
    low: r.low * ratio.low,
    likely: r.likely * ratio.likely,
    high: r.high * ratio.high,
  });
  const scratch: ScratchEstimate = {
    tokens: needed.tokens,
    flops: scaleRange(needed.tokens, flops.perToken),
    assumption: needed.assumption,
    ...(device?.seconds ? { seconds: scale(device.seconds) } : {}),
    ...(offer ? { money: scale(offer.money) } : {}),
  };
  return { scratch };
}
