/**
 * @file How long work takes on a device: from its measured rates where there are any, else from its peak and
 * a band of utilisation; corrected by what runs there took before.
 */
import type { DeviceChoice, DeviceKind } from '../base/device.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import type { DeviceFacts } from './book.ts';
import { correctionOf, type Basis, type Ratio } from './calibration.ts';
import { around, over, type Range } from './range.ts';
import type { Work } from './work.ts';

/**
 * Rates of a device, as the engine's speed test finds them: float32 products a second, bytes a second,
 * function elements a second.
 */
export interface Measured {
  readonly product: number;
  /** A product whose smallest size is `s` takes 1 + slack/s times as long. */
  readonly slack: number;
  readonly stream: number;
  readonly functions: number;
  readonly nodeSeconds: number;
  /** ISO 8601, and the threads it was measured with. */
  readonly time: string;
  readonly threads: number;
}

/** A device that a run could use. */
export interface Target {
  readonly id: string;
  readonly name: string;
  readonly kind: DeviceKind;
  /** Whether it is in this computer. */
  readonly here: boolean;
  /** Physical cores of a processor, 1 for anything else. */
  readonly cores: number;
  readonly memory: number | null;
  readonly facts?: DeviceFacts;
  readonly measured?: Measured;
  /** Runs on it that ended, newest first. */
  readonly past: readonly Ratio[];
}

/** The devices in their order, the one that was chosen before all others. */
export const chosenFirst = (targets: readonly Target[], choice: DeviceChoice): readonly Target[] =>
  [...targets].sort((a, b) => Number(b.kind === choice) - Number(a.kind === choice));

/** A time. `plain` is that before the correction by earlier runs. */
export interface Timing {
  readonly seconds: Range;
  readonly plain: number;
  readonly basis: Basis;
  readonly words: string;
}

/** Seconds that work takes at measured rates, bookkeeping not counted. */
export const secondsOf = (work: Work, m: Measured): number =>
  (work.flops + m.slack * work.thin) / m.product +
  work.bytes / m.stream +
  work.functions / m.functions +
  work.nodes * m.nodeSeconds;

/** The peak that counts for these settings, FLOP/s of the whole device; undefined where nobody says. */
export function peakOf(
  { facts, cores }: Pick<Target, 'facts' | 'cores'>,
  s: Pick<TrainingSettings, 'precision' | 'tf32'>,
): number | undefined {
  const peak =
    facts?.peaks[
      s.precision === 'float32' && s.tf32 === 'on' && facts.peaks.tf32 !== undefined ? 'tf32' : s.precision
    ];
  return peak === undefined ? undefined : peak * (facts!.kind === 'cpu' ? cores : 1);
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/**
 * How long work takes, or undefined for a device of which nothing is known. Rates were measured in float32
 * only.
 */
export function timingOf(
  work: Work,
  target: Target,
  s: Pick<TrainingSettings, 'precision' | 'tf32'>,
  a: Assumptions,
): Timing | undefined {
  const { measured } = target;
  const peak = peakOf(target, s);
  const basis: Basis = measured && s.precision === 'float32' ? 'measured' : 'peak';
  const past = target.past.filter((p) => p.basis === basis);
  const correction = correctionOf(past.map((p) => p.time));
  const runs = past.length > 0 ? `, corrected × ${correction.factor.toFixed(2)} by earlier runs` : '';
  if (measured && basis === 'measured') {
    const plain = secondsOf(work, measured) * a.bookkeeping;
    return {
      plain,
      seconds: around(plain * correction.factor, past.length > 0 ? correction.spread : 0.3),
      basis,
      words: `rates measured here on ${measured.time.slice(0, 10)}, bookkeeping × ${a.bookkeeping}${runs}`,
    };
  }
  if (peak === undefined) return undefined;
  const [low, high] = [
    Math.min(a.utilisationLow, a.utilisationHigh),
    Math.max(a.utilisationLow, a.utilisationHigh),
  ];
  const likely = Math.sqrt(low * high);
  const moving = target.facts?.bandwidth ? work.bytes / (target.facts.bandwidth * target.cores) : 0;
  const starting = (work.nodes * a.launch) / 1e6;
  const least = over(work.flops / peak, { low, likely, high });
  const at = (end: keyof Range): number => Math.max(least[end], moving) + starting;
  const band: Range = { low: at('low'), likely: at('likely'), high: at('high') };
  return {
    plain: band.likely,
    seconds: past.length > 0 ? around(band.likely * correction.factor, correction.spread) : band,
    basis,
    words: `${(peak / 1e12).toFixed(peak < 1e13 ? 1 : 0)} TFLOP/s at ${percent(low)} to ${percent(high)} utilisation${starting > 0 ? `, ${a.launch} µs to start an operator` : ''}${runs}`,
  };
}
