/** @file What a bake-off will take: tokens, time and cost of all probes, and room on the disk. */
import { estimate, type EstimateRequest } from '../cost/estimate.ts';
import type { Subject } from '../cost/programs.ts';
import type { Range } from '../cost/range.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { BakeoffEstimate } from './state.ts';
import { plannedTokens, type TokenBounds, type Tournament } from './tournament.ts';

/** What is known of the devices and prices. */
export type EstimateFacts = Pick<EstimateRequest, 'targets' | 'assumptions'>;

export interface EstimatedCandidate {
  readonly id: string;
  readonly subject: Subject;
  /** True if it is grown into a folder of its own. */
  readonly isGrown: boolean;
}

/** Estimates all probes of a bake-off on the first target, one after the other. */
export function estimateBakeoff(
  tournament: Tournament,
  candidates: readonly EstimatedCandidate[],
  settings: TrainingSettings,
  facts: EstimateFacts,
): BakeoffEstimate {
  const planned = plannedTokens(tournament);
  const parts = candidates.map(({ id, subject, isGrown }) => {
    const tokens = planned.find((one) => one.id === id)!;
    const whole = estimate({
      ...facts,
      subject,
      training: { ...settings, tokens: tokens.high },
      targets: facts.targets.slice(0, 1),
      book: { devices: [], prices: [] },
      skipAlternatives: true,
    });
    const [device] = whole.here;
    const scale = scaler(tokens);
    return {
      tokens,
      seconds: device?.seconds && scale(device.seconds),
      energy: device?.energy && scale(device.energy),
      cost: whole.offers[0] && scale(whole.offers[0].money),
      disk: (isGrown ? whole.disk.exported : 0) + probesOf(tournament) * whole.disk.kept * whole.disk.perSave,
    };
  });
  return {
    tokens: {
      low: sum(planned.map(({ low }) => low)),
      high: sum(planned.map(({ high }) => high)),
    },
    ...definedSum('seconds', parts),
    ...definedSum('energy', parts),
    ...definedSum('cost', parts),
    disk: sum(parts.map(({ disk }) => disk)),
    probes: candidates.length * probesOf(tournament),
  };
}

/** Probes of one candidate: each learning rate with the first seed, and the best with the others. */
const probesOf = ({ rates, seeds }: Tournament): number => rates.length + seeds.length - 1;

/** From figures for the most tokens to those for the bounds. */
const scaler =
  ({ low, high }: TokenBounds) =>
  (range: Range): Range => ({
    low: (range.low * low) / high,
    likely: (range.likely * (low + high)) / (2 * high),
    high: range.high,
  });

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

type Figure = 'seconds' | 'energy' | 'cost';

/** The sum of a figure over all candidates; nothing if one is not known. */
function definedSum<K extends Figure>(
  key: K,
  parts: readonly Readonly<Record<Figure, Range | undefined>>[],
): Partial<Record<K, Range>> {
  const ranges = parts.map((part) => part[key]);
  if (ranges.some((range) => range === undefined)) return {};
  const at = (end: keyof Range): number => sum(ranges.map((range) => range![end]));
  return { [key]: { low: at('low'), likely: at('likely'), high: at('high') } } as Record<K, Range>;
}
