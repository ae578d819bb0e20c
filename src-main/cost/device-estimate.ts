/** @file The estimate of a run on one device: memory, time and energy. */
import type { DeviceKind } from '../base/device.ts';
import { heldOutWindows } from '../train/batches.ts';
import { tokensPerStep } from '../train/schedule.ts';
import { evaluationPrecisionOf, type TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import { correctionOf, describeAccuracy, withPrecision, type Basis } from './calibration.ts';
import { settingsThatFit, type Fitting } from './fit.ts';
import { memoryOf, verdictOf, type Memory, type Verdict } from './memory.ts';
import { kernelGroups, noKernels, type KernelChoice } from '../graph/kernels.ts';
import { programsOf, type Programs, type Subject } from './programs.ts';
import { scaleRange, type Range } from './range.ts';
import { kernelsOf } from './roofline.ts';
import { timingOf, type Target, type TimedWork, type Timing } from './speed.ts';
import { addWork, noWork, workOf } from './work.ts';

/** Times and energy are undefined if nothing is known about the speed of the device. */
export interface DeviceEstimate {
  readonly target: Pick<Target, 'id' | 'name' | 'kind' | 'here' | 'memory'>;
  readonly memory: Memory;
  readonly verdict: Verdict;
  /** Settings that fit, if these do not or hardly do; absent with `skipAlternatives`. */
  readonly alternatives?: readonly Fitting[];
  readonly seconds?: Range;
  readonly tokensPerSecond?: Range;
  /** Seconds of one step; `plain` is before the correction by earlier runs. */
  readonly step?: { readonly seconds: number; readonly plain: number; readonly basis: Basis };
  /** What the time is based on, in words. */
  readonly basis: string;
  /** Accuracy of earlier estimates, such as `last 3 runs: within 12 %`. */
  readonly record?: string;
  /** Kilowatt-hours. */
  readonly energy?: Range;
  /** Grams of CO₂. */
  readonly carbon?: Range;
  /** Watts while training. */
  readonly watts?: number;
}

/** A self-test of our kernels: for each group null if it passed, otherwise why it is not used. */
interface SelfTest {
  readonly device: string;
  readonly precision: string;
  readonly results: Readonly<Record<string, string | null>>;
}

/** The groups of kernels that passed the self-tests on a device, by precision. */
export const findPassedKernels = (
  device: string,
  tests: readonly SelfTest[],
): NonNullable<Target['kernels']> =>
  Object.fromEntries(
    tests
      .filter((test) => test.device === device)
      .map(({ precision, results }) => [precision, kernelGroups.filter((group) => results[group] === null)]),
  );

/** The kernels of our own that a run uses on a device: those that passed its self-test. */
export const kernelsOn = (
  { kernels = {} }: Pick<Target, 'kernels'>,
  { precision, kernels: setting }: TrainingSettings,
): KernelChoice => (setting === 'off' ? noKernels : new Set(kernels[precision] ?? []));

/** What a run computes on one kind of device. */
export interface Workload {
  readonly programs: Programs;
  readonly memory: Memory;
  /** One update. */
  readonly step: TimedWork;
  /** One evaluation of the held-out text. */
  readonly evaluation: TimedWork;
  readonly evaluations: number;
  readonly steps: number;
}

export function workloadOf(
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  steps: number,
  kernels: KernelChoice = noKernels,
): Workload {
  const programs = programsOf(subject, s, device, kernels);
  const batches = Math.ceil(heldOutWindows / s.microBatch);
  return {
    programs,
    memory: memoryOf(programs, s, device),
    step: timedWork(programs.update, device, kernels),
    evaluation: timedWork([{ graph: programs.evaluation, times: batches }], device, kernels),
    evaluations: countEvaluations(s, steps),
    steps,
  };
}

function timedWork(runs: Programs['update'], device: DeviceKind, ours: KernelChoice): TimedWork {
  const work = runs.reduce((sum, { graph, times }) => addWork(sum, workOf(graph), times), noWork);
  if (device !== 'cuda') return { work };
  const repeated = runs.flatMap(({ graph, times }) =>
    kernelsOf(graph, ours).map((kernel) => ({ ...kernel, count: times * kernel.count })),
  );
  return { work, kernels: repeated };
}

/**
 * One evaluation before the first step, then every `evaluateEvery` steps and at the end. The moving average is
 * evaluated as well, and averaged checkpoints at each save.
 */
function countEvaluations(
  { heldOut, evaluateEvery, saveEvery, emaDecay, averageCheckpoints }: TrainingSettings,
  steps: number,
): number {
  if (heldOut === 0) return 0;
  const countOf = (every: number): number => (every > 0 ? Math.ceil(steps / every) : 1);
  const models = emaDecay > 0 ? 2 : 1;
  return 1 + models * countOf(evaluateEvery) + (averageCheckpoints > 0 ? countOf(saveEvery) : 0);
}

export interface DeviceEstimateInput {
  readonly subject: Subject;
  readonly training: TrainingSettings;
  readonly assumptions: Assumptions;
  /** Skips the search for settings that fit: each candidate builds a graph. */
  readonly skipAlternatives?: boolean;
}

export function estimateOnDevice(
  input: DeviceEstimateInput,
  device: Target,
  workload: Workload,
): DeviceEstimate {
  const { training: s, assumptions } = input;
  const past = withPrecision(device.past, s.precision);
  const target: Target = { ...device, past };
  const memoryRatios = past.flatMap((ratio) => (ratio.memory === null ? [] : [ratio.memory]));
  const memoryFactor = correctionOf(memoryRatios).factor;
  const memory: Memory = {
    parts: workload.memory.parts,
    total: scaleRange(workload.memory.total, memoryFactor),
  };
  const verdict = verdictOf(memory.total.likely, target.memory);
  const { id, name, kind, here } = target;
  const common = {
    target: { id, name, kind, here, memory: target.memory },
    memory,
    verdict,
    ...findAlternatives(input, target, verdict, memoryFactor),
  };
  const accuracy = describeAccuracy(past);
  const record = accuracy === undefined ? {} : { record: accuracy };
  const noCuda = kind === 'cuda' ? target.facts?.noCuda : undefined;
  if (noCuda !== undefined) return { ...common, basis: `cannot train: ${noCuda}` };
  const step = timingOf(workload.step, target, s, assumptions);
  if (!step) return { ...common, basis: unknownSpeed, ...record };
  const inEvaluation = { ...s, precision: evaluationPrecisionOf(s) };
  const evaluation = timingOf(workload.evaluation, target, inEvaluation, assumptions);
  const seconds = addEvaluations(step, evaluation, workload);
  const tokens = tokensPerStep(s);
  return {
    ...common,
    seconds,
    step: { seconds: step.seconds.likely, plain: step.uncorrectedSeconds, basis: step.basis },
    basis: step.description,
    ...record,
    tokensPerSecond: {
      low: tokens / step.seconds.high,
      likely: tokens / step.seconds.likely,
      high: tokens / step.seconds.low,
    },
    ...estimateEnergy(target, seconds, assumptions),
  };
}

export const unknownSpeed = 'speed unknown; measure it with cambium devices --measure';

function findAlternatives(
  { subject, training, skipAlternatives = false }: DeviceEstimateInput,
  { here, kind, memory }: Target,
  verdict: Verdict,
  memoryFactor: number,
): Pick<DeviceEstimate, 'alternatives'> {
  const isShort = verdict === 'tight' || verdict === 'does not fit';
  if (skipAlternatives || !here || !isShort) return {};
  const capacity = memory === null ? null : memory / memoryFactor;
  return { alternatives: settingsThatFit(subject, training, kind, capacity) };
}

/** Seconds of all steps and evaluations. */
function addEvaluations(
  step: Timing,
  evaluation: Timing | undefined,
  { steps, evaluations }: Workload,
): Range {
  const at = (end: keyof Range): number =>
    steps * step.seconds[end] + evaluations * (evaluation?.seconds[end] ?? 0);
  return { low: at('low'), likely: at('likely'), high: at('high') };
}

const joulesPerKilowattHour = 3.6e6;

/** Power, energy and emissions; nothing if the power of the device is unknown. */
function estimateEnergy(
  { facts, cores, here }: Target,
  seconds: Range,
  { load, pueOwn, pueCloud, carbon }: Assumptions,
): Pick<DeviceEstimate, 'energy' | 'carbon' | 'watts'> {
  if (!facts) return {};
  const watts = facts.power * (facts.kind === 'cpu' ? cores : 1) * load;
  const energy = scaleRange(seconds, (watts * (here ? pueOwn : pueCloud)) / joulesPerKilowattHour);
  return { energy, carbon: scaleRange(energy, carbon), watts };
}
