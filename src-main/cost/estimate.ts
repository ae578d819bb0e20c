/**
 * @file What a training will cost before it begins: arithmetic, memory, time, energy, money and disk, here
 * and on every device known. Pure: the page and the command line show the same figures.
 */
import type { DeviceKind } from '../base/device.ts';
import { familyById } from '../model/families/index.ts';
import { parametersOf } from '../model/parameters.ts';
import { byteLengthOf } from '../tensor/dtype.ts';
import { countElements } from '../tensor/layout.ts';
import { heldOutWindows } from '../train/batches.ts';
import { stepsOf, tokensPerStep } from '../train/schedule.ts';
import { partsOf } from '../train/optimizers/index.ts';
import { checkPrecision, precisionsOf } from '../train/precision.ts';
import { keptCheckpoints, type TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import type { DeviceBook, Price } from './book.ts';
import { pricesOf } from './book.ts';
import { withPrecision, correctionOf, describeAccuracy, type Basis } from './calibration.ts';
import { settingsThatFit, type Fitting } from './fit.ts';
import { memoryOf, verdictOf, type Memory, type Verdict } from './memory.ts';
import { programsOf, type Programs, type Subject } from './programs.ts';
import { times, type Range } from './range.ts';
import { fromScratch } from './scratch.ts';
import { timingOf, type Target } from './speed.ts';
import { addWork, noWork, ruleOfThumb, workOf, type Work } from './work.ts';

export interface EstimateRequest {
  readonly subject: Subject;
  readonly training: TrainingSettings;
  /** Parameters of what it was grown from; without it nothing is compared with random weights. */
  readonly sourceParameters?: number;
  /** This computer's devices; the first is the one it will run on. */
  readonly targets: readonly Target[];
  readonly book: DeviceBook;
  readonly assumptions: Assumptions;
  /** Leaves out what to try where it does not fit: each of these costs a whole graph. */
  readonly plain?: boolean;
}

/**
 * A run on one device. Times and what follows from them are undefined where nothing is known of its speed.
 */
export interface OnDevice {
  readonly target: Pick<Target, 'id' | 'name' | 'kind' | 'here' | 'memory'>;
  readonly memory: Memory;
  readonly verdict: Verdict;
  /** What would fit, where this does not or hardly does; absent where it was not asked. */
  readonly alternatives?: readonly Fitting[];
  readonly seconds?: Range;
  readonly tokensPerSecond?: Range;
  /** Seconds of one step, before the correction by earlier runs, and what they come from. */
  readonly step?: { readonly seconds: number; readonly plain: number; readonly basis: Basis };
  readonly basis: string;
  /** `last 3 runs: within 12 %`. */
  readonly record?: string;
  /** Kilowatt-hours and grams of CO₂. */
  readonly energy?: Range;
  readonly carbon?: Range;
  /** Watts while training. */
  readonly watts?: number;
}

/** One way to pay for it, in US dollars. */
export interface Offer {
  readonly device: string;
  readonly name: string;
  readonly own: boolean;
  readonly price: Price | null;
  readonly words: string;
  readonly seconds: Range;
  readonly money: Range;
  readonly verdict: Verdict;
}

export interface Estimate {
  readonly parameters: number;
  readonly steps: number;
  readonly tokens: number;
  /** Training FLOPs a token: counted, and by the rule of thumb. */
  readonly flops: { readonly perToken: number; readonly total: number; readonly rule: number };
  readonly disk: {
    readonly perSave: number;
    readonly kept: number;
    readonly exported: number;
    readonly total: number;
  };
  /** On the device it will run on, then the other ones here. */
  readonly here: readonly OnDevice[];
  /** The person's own first, then the cheapest first; what does not fit comes last. */
  readonly offers: readonly Offer[];
  /** The same size from random weights to the source's loss. */
  readonly scratch?: {
    readonly tokens: Range;
    readonly flops: Range;
    readonly seconds?: Range;
    readonly money?: Range;
    readonly assumption: string;
  };
}

export const unknownSpeed = 'nothing is known of its speed; measure it with cambium devices --measure';

interface Load {
  readonly programs: Programs;
  readonly memory: Memory;
  readonly step: Work;
  readonly evaluation: Work;
  readonly evaluations: number;
}

function loadOf(subject: Subject, s: TrainingSettings, device: DeviceKind, steps: number): Load {
  const programs = programsOf(subject, s, device);
  const step = programs.update.reduce((sum, { graph, times: n }) => addWork(sum, workOf(graph), n), noWork);
  return {
    programs,
    memory: memoryOf(programs, s, device),
    step,
    evaluation: addWork(noWork, workOf(programs.evaluation), Math.ceil(heldOutWindows / s.microBatch)),
    evaluations: evaluationsOf(s, steps),
  };
}

/**
 * At the start, every so many steps and at the end; from the first step on of the moving average too, and at
 * each save of the mean.
 */
function evaluationsOf(
  { heldOut, evaluateEvery, saveEvery, emaDecay: ema, averageCheckpoints: average }: TrainingSettings,
  steps: number,
): number {
  const times = (every: number): number => (every > 0 ? Math.ceil(steps / every) : 1);
  return heldOut > 0
    ? 1 + (ema > 0 ? 2 : 1) * times(evaluateEvery) + (average > 0 ? times(saveEvery) : 0)
    : 0;
}

/** Bytes of the weights in the types of their files, which an export keeps. */
function exportedBytes({ family: id, dims, settings, tensors = [] }: Subject): number {
  const types = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
  return parametersOf(familyById(id), dims, settings).reduce(
    (n, { name, shape }) => n + byteLengthOf(types.get(name) ?? 'float32', countElements(shape)),
    0,
  );
}

function onDevice(
  { subject, training: s, assumptions: a, plain = false }: EstimateRequest,
  given: Target,
  load: Load,
  steps: number,
): OnDevice {
  const target = { ...given, past: withPrecision(given.past, s.precision) };
  const corrected = correctionOf(target.past.flatMap((p) => (p.memory === null ? [] : [p.memory]))).factor;
  const memory: Memory = { parts: load.memory.parts, total: times(load.memory.total, corrected) };
  const verdict = verdictOf(memory.total.likely, target.memory);
  const timing = timingOf(load.step, target, s, a);
  const once = timingOf(load.evaluation, target, s, a);
  const head = {
    target: { id: target.id, name: target.name, kind: target.kind, here: target.here, memory: target.memory },
    memory,
    verdict,
    ...(!plain && target.here && (verdict === 'tight' || verdict === 'does not fit')
      ? {
          alternatives: settingsThatFit(
            subject,
            s,
            target.kind,
            target.memory === null ? null : target.memory / corrected,
          ),
        }
      : {}),
  };
  const record = describeAccuracy(target.past);
  const told = record === undefined ? {} : { record };
  if (!timing) return { ...head, basis: unknownSpeed, ...told };
  const seconds: Range = { low: at('low'), likely: at('likely'), high: at('high') };
  const perStep = tokensPerStep(s);
  function at(end: keyof Range): number {
    return steps * timing!.seconds[end] + load.evaluations * (once?.seconds[end] ?? 0);
  }
  const watts = target.facts
    ? target.facts.power * (target.facts.kind === 'cpu' ? target.cores : 1) * a.load
    : undefined;
  const energy =
    watts === undefined ? undefined : times(seconds, (watts * (target.here ? a.pueOwn : a.pueCloud)) / 3.6e6);
  return {
    ...head,
    seconds,
    step: { seconds: timing.seconds.likely, plain: timing.plain, basis: timing.basis },
    basis: timing.words,
    ...told,
    tokensPerSecond: {
      low: perStep / timing.seconds.high,
      likely: perStep / timing.seconds.likely,
      high: perStep / timing.seconds.low,
    },
    ...(energy ? { energy, carbon: times(energy, a.carbon) } : {}),
    ...(watts === undefined ? {} : { watts }),
  };
}

/** What the person's own device costs: the price they gave, or its electricity. */
function ownOffer(on: OnDevice, a: Assumptions): Offer | undefined {
  if (!on.seconds || (a.ownPrice === 0 && !on.energy)) return undefined;
  const money = a.ownPrice > 0 ? times(on.seconds, a.ownPrice / 3600) : times(on.energy!, a.tariff);
  return {
    device: on.target.id,
    name: on.target.name,
    own: true,
    price: null,
    seconds: on.seconds,
    money,
    verdict: on.verdict,
    words:
      a.ownPrice > 0
        ? `your price, US$ ${a.ownPrice} an hour`
        : `electricity at your tariff, US$ ${a.tariff} a kWh`,
  };
}

/** Refuses what training itself would refuse about the settings. */
export function estimate(request: EstimateRequest): Estimate {
  const { subject, training: s, targets, book, assumptions: a, sourceParameters } = request;
  const steps = stepsOf(s);
  const tokens = steps * tokensPerStep(s);
  if (s.device !== 'auto') checkPrecision(s.device, s.precision);
  const loads = new Map<DeviceKind, Load>();
  const load = (kind: DeviceKind): Load => {
    if (!loads.has(kind)) loads.set(kind, loadOf(subject, s, kind, steps));
    return loads.get(kind)!;
  };
  const able = (target: Target): boolean => precisionsOf(target.kind).includes(s.precision);
  const here = targets.filter(able).map((target) => onDevice(request, target, load(target.kind), steps));
  const rentable = precisionsOf('cuda').includes(s.precision)
    ? book.devices
        .filter((d) => d.kind === 'gpu')
        .map((facts): Target => ({
          id: facts.id,
          name: facts.name,
          kind: 'cuda',
          here: false,
          cores: 1,
          memory: facts.memory,
          facts,
          past: [],
        }))
    : [];
  const rented = rentable.flatMap((target) => {
    const prices = pricesOf(book, target.id);
    if (prices.length === 0) return [];
    const on = onDevice(request, target, load('cuda'), steps);
    return on.seconds
      ? prices.map((price): Offer => ({
          device: target.id,
          name: target.name,
          own: false,
          price,
          words: `${price.provider}, ${price.terms}`,
          seconds: on.seconds!,
          money: times(on.seconds!, price.hourly / 3600),
          verdict: on.verdict,
        }))
      : [];
  });
  const rank = (o: Offer): number => (o.verdict === 'does not fit' ? Infinity : o.money.likely);
  const own = here.flatMap((on) => ownOffer(on, a) ?? []);
  const offers = [...own, ...rented.sort((x, y) => rank(x) - rank(y) || x.money.likely - y.money.likely)];
  const { programs, step } = load(targets.find(able)?.kind ?? 'cuda');
  const perToken = step.flops / tokensPerStep(s);
  const { parameters, buckets } = programs;
  const perSave = buckets.reduce((n, b) => n + 4 * b.length * partsOf(b, s).length, 0);
  const kept = keptCheckpoints(s);
  const exported = exportedBytes(subject);
  return {
    parameters,
    steps,
    tokens,
    flops: {
      perToken,
      total: perToken * tokens,
      rule: ruleOfThumb(parameters, subject.dims, s.contextLength),
    },
    disk: { perSave, kept, exported, total: kept * perSave + exported },
    here,
    offers,
    ...(sourceParameters === undefined
      ? {}
      : {
          scratch: scratchOf(sourceParameters, parameters, perToken, tokens, here[0], own[0] ?? offers[0], a),
        }),
  };
}

function scratchOf(
  source: number,
  parameters: number,
  perToken: number,
  tokens: number,
  on: OnDevice | undefined,
  offer: Offer | undefined,
  a: Assumptions,
): NonNullable<Estimate['scratch']> {
  const { tokens: needed, assumption } = fromScratch(source, parameters, a.sourceTokens);
  const share = times(needed, 1 / tokens);
  const grown = (r: Range): Range => ({
    low: r.low * share.low,
    likely: r.likely * share.likely,
    high: r.high * share.high,
  });
  return {
    tokens: needed,
    flops: times(needed, perToken),
    assumption,
    ...(on?.seconds ? { seconds: grown(on.seconds) } : {}),
    ...(offer ? { money: grown(offer.money) } : {}),
  };
}
