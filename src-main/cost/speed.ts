/**
 * @file How long work takes on a device: by its measured rates, or by its peak and an assumed utilisation, and
 * corrected by the times of earlier runs.
 */
import type { DeviceChoice, DeviceKind } from '../base/device.ts';
import { kernelGroups, type KernelGroup } from '../graph/kernels.ts';
import type { Precision } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import type { DeviceFacts } from './book.ts';
import { correctionOf, type Basis, type Ratio } from './calibration.ts';
import { divideByRange, scaleRange, widen, type Range } from './range.ts';
import { rooflineSeconds, totalsOf, usualEfficiency, type KernelGroup as TimedKernels } from './roofline.ts';
import type { Work } from './work.ts';

/** Float32 rates of a device, from the engine's speed test. */
export interface Measured {
  /** FLOP/s of matrix products. */
  readonly product: number;
  /** A product whose smallest side is `s` takes 1 + slack/s times as long as a large one. */
  readonly slack: number;
  /** Bytes per second. */
  readonly stream: number;
  /** Transcendental functions per second. */
  readonly functions: number;
  /** Seconds to launch one operator. */
  readonly nodeSeconds: number;
  /** ISO 8601. */
  readonly time: string;
  /** Threads during the test. */
  readonly threads: number;
}

// For the schemas of the contract, which knows no graphs.
export { kernelGroups };

/** A device that a run could use. */
export interface Target {
  readonly id: string;
  readonly name: string;
  readonly kind: DeviceKind;
  /** True if it is in this computer. */
  readonly here: boolean;
  /** Physical cores of a CPU; 1 for a GPU. */
  readonly cores: number;
  readonly memory: number | null;
  readonly facts?: DeviceFacts;
  readonly measured?: Measured;
  /** The groups of our own CUDA kernels that passed their self-test on it, by precision. */
  readonly kernels?: Readonly<Partial<Record<Precision, readonly KernelGroup[]>>>;
  /** Finished runs on this device, newest first. */
  readonly past: readonly Ratio[];
}

/** The targets with those of the chosen kind first, otherwise in the same order. */
export const sortByChoice = (targets: readonly Target[], choice: DeviceChoice): readonly Target[] =>
  [...targets].sort((a, b) => Number(b.kind === choice) - Number(a.kind === choice));

export interface Timing {
  readonly seconds: Range;
  /** The likely seconds before the correction by earlier runs. */
  readonly uncorrectedSeconds: number;
  readonly basis: Basis;
  /** What the time is based on, in words. */
  readonly description: string;
}

type PrecisionSettings = Pick<TrainingSettings, 'precision' | 'tf32'>;

/** Seconds of the operators at measured rates, without overhead. */
export const secondsOf = (work: Work, rates: Measured): number =>
  (work.flops + rates.slack * work.thin) / rates.product +
  work.bytes / rates.stream +
  work.functions / rates.functions +
  work.nodes * rates.nodeSeconds;

/** The peak FLOP/s of the whole device with these settings; undefined if unknown. */
export function peakOf(
  { facts, cores }: Pick<Target, 'facts' | 'cores'>,
  { precision, tf32 }: PrecisionSettings,
): number | undefined {
  if (!facts) return undefined;
  const usesTf32 = precision === 'float32' && tf32 === 'on' && facts.peaks.tf32 !== undefined;
  const peak = facts.peaks[usesTf32 ? 'tf32' : precision];
  return peak === undefined ? undefined : peak * (facts.kind === 'cpu' ? cores : 1);
}

/** Spread of an estimate from measured rates before the first run. */
const measuredSpread = 0.3;

/** The same work, for each way to time it. */
export interface TimedWork {
  readonly work: Work;
  /** Its kernels on CUDA. */
  readonly kernels?: readonly TimedKernels[];
}

/**
 * How long work takes, or undefined if nothing is known about the device. Rates are only measured in float32, so
 * other precisions use the roofline, or the peak of a device without one.
 */
export function timingOf(
  { work, kernels }: TimedWork,
  target: Target,
  s: PrecisionSettings,
  assumptions: Assumptions,
): Timing | undefined {
  const { measured, facts } = target;
  if (measured && s.precision === 'float32') return timingByRates(work, target, measured, assumptions);
  const peak = peakOf(target, s);
  if (peak === undefined) return undefined;
  const bandwidth = facts?.bandwidth;
  if (kernels && bandwidth) return timingByRoofline(kernels, target, { peak, bandwidth }, assumptions);
  return timingByPeak(work, target, peak, assumptions);
}

/** How far a device may be from its roofline before the first run on it. */
const rooflineSpread: Range = { low: 0.85, likely: 1, high: 1.6 };

function timingByRoofline(
  kernels: readonly TimedKernels[],
  { past }: Target,
  { peak, bandwidth }: { readonly peak: number; readonly bandwidth: number },
  { launch }: Assumptions,
): Timing {
  const { correction, isCorrected, note } = learnFrom(past, 'roofline');
  const { products, streams } = usualEfficiency;
  const onDevice = rooflineSeconds(kernels, { peak, bandwidth, efficiency: usualEfficiency });
  // The host launches kernels while earlier ones run: the slower of the two decides.
  const totals = totalsOf(kernels);
  const onHost = ((totals.kernels + totals.products) * launch) / 1e6;
  const seconds = Math.max(onDevice, onHost);
  return {
    uncorrectedSeconds: seconds,
    seconds: isCorrected
      ? widen(seconds * correction.factor, correction.spread)
      : scaleRange(rooflineSpread, seconds),
    basis: 'roofline',
    description:
      `roofline of ${formatTeraflops(peak)} TFLOP/s and ${(bandwidth / 1e12).toFixed(1)} TB/s, of which kernels ` +
      `reach ${formatPercent(products)} and ${formatPercent(streams)}${note}`,
  };
}

const formatTeraflops = (peak: number): string => (peak / 1e12).toFixed(peak < 1e13 ? 1 : 0);

function timingByRates(
  work: Work,
  { past }: Target,
  measured: Measured,
  { bookkeeping }: Assumptions,
): Timing {
  const { correction, isCorrected, note } = learnFrom(past, 'measured');
  const seconds = secondsOf(work, measured) * bookkeeping;
  return {
    uncorrectedSeconds: seconds,
    seconds: widen(seconds * correction.factor, isCorrected ? correction.spread : measuredSpread),
    basis: 'measured',
    description: `rates measured here on ${measured.time.slice(0, 10)}, step overhead × ${bookkeeping}${note}`,
  };
}

function timingByPeak(
  work: Work,
  { past, facts, cores }: Target,
  peak: number,
  { utilisationLow, utilisationHigh, launch }: Assumptions,
): Timing {
  const { correction, isCorrected, note } = learnFrom(past, 'peak');
  const low = Math.min(utilisationLow, utilisationHigh);
  const high = Math.max(utilisationLow, utilisationHigh);
  const likely = Math.sqrt(low * high);
  const computeSeconds = divideByRange(work.flops / peak, { low, likely, high });
  const memorySeconds = facts?.bandwidth ? work.bytes / (facts.bandwidth * cores) : 0;
  const launchSeconds = (work.nodes * launch) / 1e6;
  const at = (end: keyof Range): number => Math.max(computeSeconds[end], memorySeconds) + launchSeconds;
  const uncorrected: Range = { low: at('low'), likely: at('likely'), high: at('high') };
  const launchNote = launchSeconds > 0 ? `, ${launch} µs to launch an operator` : '';
  return {
    uncorrectedSeconds: uncorrected.likely,
    seconds: isCorrected ? widen(uncorrected.likely * correction.factor, correction.spread) : uncorrected,
    basis: 'peak',
    description:
      `${formatTeraflops(peak)} TFLOP/s at ${formatPercent(low)} to ${formatPercent(high)} utilisation` +
      `${launchNote}${note}`,
  };
}

/** The correction by earlier runs whose estimate had the same basis, and a clause about it. */
function learnFrom(
  past: readonly Ratio[],
  basis: Basis,
): {
  readonly correction: ReturnType<typeof correctionOf>;
  readonly isCorrected: boolean;
  readonly note: string;
} {
  const runs = past.filter((ratio) => ratio.basis === basis);
  const correction = correctionOf(runs.map((ratio) => ratio.time));
  const isCorrected = runs.length > 0;
  const note = isCorrected ? `, corrected × ${correction.factor.toFixed(2)} by earlier runs` : '';
  return { correction, isCorrected, note };
}

const formatPercent = (share: number): string => `${Math.round(100 * share)} %`;
