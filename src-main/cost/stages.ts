/** @file The estimate of a run that grows while it trains: the sum of its stages, and the memory of the largest. */
import type { TrainingSettings } from '../train/settings.ts';
import type { RunStage } from '../train/stages.ts';
import type { DeviceEstimate } from './device-estimate.ts';
import { estimate, type Estimate, type EstimateRequest } from './estimate.ts';
import type { Offer } from './offers.ts';
import type { Subject } from './programs.ts';
import { addRanges, divideByRange, type Range } from './range.ts';

/** A model that is trained in one stage, and its settings. */
export interface EstimatedStage {
  readonly subject: Subject;
  readonly settings: TrainingSettings;
}

/**
 * Tokens of each stage. Where a stage ends at a loss, at a plateau or by hand, nobody knows them: the tokens up to the
 * next end that is known are divided equally.
 */
export function tokensOfStages(stages: readonly RunStage[], tokens: number): readonly number[] {
  const ends = stages.map(({ until }, i) => (i === stages.length - 1 ? tokens : until?.tokens));
  const lengths: number[] = [];
  let from = 0;
  let first = 0;
  for (const [i, end] of ends.entries()) {
    if (end === undefined) continue;
    const until = Math.min(end, tokens);
    const count = i - first + 1;
    for (let j = 0; j < count; j++) lengths.push(Math.max(0, until - from) / count);
    from = until;
    first = i + 1;
  }
  return lengths;
}

/** Estimates a run of several stages. `planned` are their models and settings, in order. */
export function estimateStages(
  request: EstimateRequest,
  stages: readonly RunStage[],
  planned: readonly EstimatedStage[],
): Estimate {
  const tokens = tokensOfStages(stages, request.training.tokens);
  const each = planned.map(({ subject, settings }, i) =>
    estimate({
      ...request,
      subject: withTeacher(subject, planned[i - 1]?.subject),
      // The schedule of a stage does not change its cost.
      training: { ...settings, tokens: Math.max(1, Math.round(tokens[i]!)) },
    }),
  );
  return combine(each);
}

const withTeacher = (subject: Subject, source: Subject | undefined): Subject =>
  source ? { ...subject, source } : subject;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function combine(each: readonly Estimate[]): Estimate {
  const last = each.at(-1)!;
  const tokens = sum(each.map((stage) => stage.tokens));
  const total = sum(each.map(({ flops }) => flops.total));
  const rule = sum(each.map((stage) => stage.flops.rule * stage.tokens)) / tokens;
  // Every checkpoint that was grown is kept.
  const sources = sum(each.slice(0, -1).map(({ disk }) => disk.perSave));
  return {
    parameters: last.parameters,
    steps: sum(each.map(({ steps }) => steps)),
    tokens,
    flops: { perToken: total / tokens, total, rule },
    disk: { ...last.disk, total: last.disk.total + sources },
    here: last.here.map((device) => combineDevice(device, each, tokens)),
    offers: last.offers.flatMap((offer) => combineOffer(offer, each)),
    stages: each.map(({ parameters, tokens: own, flops, here: [device] }) => ({
      parameters,
      tokens: own,
      flops: flops.total,
      ...(device?.seconds ? { seconds: device.seconds } : {}),
    })),
  };
}

/** The stages on one device. */
function combineDevice(device: DeviceEstimate, each: readonly Estimate[], tokens: number): DeviceEstimate {
  const stages = each.flatMap(({ here }) => here.find(({ target }) => target.id === device.target.id) ?? []);
  const largest = stages.reduce((a, b) => (b.memory.total.likely >= a.memory.total.likely ? b : a));
  const { memory, verdict, alternatives } = largest;
  const seconds = addAll(stages.map((stage) => stage.seconds));
  const energy = addAll(stages.map((stage) => stage.energy));
  const carbon = addAll(stages.map((stage) => stage.carbon));
  return {
    ...device,
    memory,
    verdict,
    ...(alternatives ? { alternatives } : {}),
    ...(seconds ? { seconds, tokensPerSecond: divideByRange(tokens, seconds) } : {}),
    ...(energy ? { energy } : {}),
    ...(carbon ? { carbon } : {}),
  };
}

/** The stages for one price; nothing if a stage is not offered for it. */
function combineOffer(offer: Offer, each: readonly Estimate[]): readonly Offer[] {
  const stages = each.flatMap(
    ({ offers }) =>
      offers.find(({ device, words }) => device === offer.device && words === offer.words) ?? [],
  );
  if (stages.length < each.length) return [];
  const verdict = stages.some((stage) => stage.verdict === 'does not fit') ? 'does not fit' : offer.verdict;
  return [
    {
      ...offer,
      verdict,
      seconds: addAll(stages.map((stage) => stage.seconds))!,
      money: addAll(stages.map((stage) => stage.money))!,
    },
  ];
}

/** The sum of ranges; undefined if one is not known. */
function addAll(ranges: readonly (Range | undefined)[]): Range | undefined {
  const known = ranges.filter((range) => range !== undefined);
  return known.length < ranges.length ? undefined : known.reduce(addRanges);
}
