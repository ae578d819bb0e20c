/** @file bakeoff.json: what a bake-off was asked to do, and what it has measured. Everything else follows from it. */
import { z } from 'zod';
import { rangeSchema } from '../cost/range.ts';
import { tokensPerStep } from '../train/schedule.ts';
import { storedSettingsSchema, type TrainingSettings } from '../train/settings.ts';
import type { Probe, Tournament } from './tournament.ts';

export const bakeoffVersion = 1;
export const bakeoffFile = 'bakeoff.json';

const text = z.string();
const name = z.string().min(1).max(4096);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const positive = z.number().positive();

const growthRequest = z.object({
  method: text,
  to: z.record(text, z.number().int().positive()),
  options: z.record(text, z.union([z.number(), text, z.null()])),
  seed: count,
  dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
});

const candidate = z.object({
  id: name,
  title: text,
  role: z.enum(['grown', 'random', 'source']),
  /** The recipe, in order; empty for the source. That of random weights says their sizes. */
  requests: z.array(growthRequest),
  parameters: positive,
  /** Training FLOPs of one token. */
  flopsPerToken: positive,
  /** What its growth preserves; null if it is not grown. */
  promise: text.nullable(),
  /** Whether it has the sizes of the target; otherwise about as many parameters, or it is the source. */
  reachesTarget: z.boolean(),
  equalFlopsTokens: positive,
});

export const leftOut = z.object({ id: text, why: text });

export const bakeoffEstimate = z.object({
  /** Over all probes: if as many candidates leave early as can, and if none does. */
  tokens: z.object({ low: z.number(), high: z.number() }),
  /** Absent if the speed of the device is unknown. */
  seconds: rangeSchema.exactOptional(),
  /** Kilowatt-hours. */
  energy: rangeSchema.exactOptional(),
  /** US dollars. */
  cost: rangeSchema.exactOptional(),
  /** Bytes of all grown checkpoints and of the checkpoints that the probes keep. */
  disk: z.number(),
  /** Probes, each a run. */
  probes: z.number(),
});

const measurement = z.object({
  candidate: name,
  lr: positive,
  seed: count,
  tokens: positive,
  losses: z.array(z.number()).min(1).nullable(),
});

/** What does not change once a bake-off has begun. */
export const bakeoffPlan = z.object({
  name: text,
  /** Folder of the checkpoint that is grown. */
  source: name,
  data: z.array(name).min(1),
  weights: z.array(positive).exactOptional(),
  field: text.exactOptional(),
  /** Sizes and parameters of the target. */
  target: z.record(text, z.number()),
  parameters: positive,
  settings: storedSettingsSchema,
  /** Length of the run that the winner becomes. */
  plannedTokens: positive,
  candidates: z.array(candidate).min(1),
  leftOut: z.array(leftOut),
  rates: z.array(positive).min(1),
  seeds: z.array(count).min(1),
  rungs: z.array(positive).min(1),
  estimate: bakeoffEstimate,
});

export const storedBakeoff = bakeoffPlan.extend({
  version: z.literal(bakeoffVersion),
  /** ISO 8601. */
  created: text,
  /** Of the tokens of the text, since the first measurement. */
  textHash: text.exactOptional(),
  measurements: z.array(measurement),
});

export type BakeoffPlan = z.infer<typeof bakeoffPlan>;
export type StoredBakeoff = z.infer<typeof storedBakeoff>;
export type Candidate = BakeoffPlan['candidates'][number];
export type BakeoffEstimate = BakeoffPlan['estimate'];

export const tournamentOf = ({ candidates, rates, seeds, rungs }: BakeoffPlan): Tournament => ({
  candidates,
  rates,
  seeds,
  rungs,
});

/** Tokens of a probe. */
export const probeTokensOf = ({ rungs }: Pick<BakeoffPlan, 'rungs'>): number => rungs.at(-1)!;

export const findCandidate = ({ candidates }: Pick<BakeoffPlan, 'candidates'>, id: string): Candidate =>
  candidates.find((one) => one.id === id)!;

/**
 * The folder of the checkpoint that a candidate is trained from, in that of the bake-off; null: the source. Candidates
 * with the same recipe share it, such as random weights with a grown candidate of the target sizes.
 */
export function candidateFolder({ candidates }: Pick<BakeoffPlan, 'candidates'>, id: string): string | null {
  const { requests } = candidates.find((one) => one.id === id)!;
  if (requests.length === 0) return null;
  const recipe = JSON.stringify(requests);
  const owner = candidates.findIndex((one) => JSON.stringify(one.requests) === recipe);
  return `candidates/${owner + 1}-${candidates[owner]!.id.replaceAll(' ', '-')}`;
}

/** The folder of a probe's run, in that of the bake-off. */
export const probeFolder = ({ candidate: id, lr, seed }: Probe): string =>
  `runs/${id.replaceAll(' ', '-')}-lr${lr}-seed${seed}`;

/**
 * The settings of a probe that is trained to `tokens`. Its learning rate stays constant, so that every shorter probe,
 * and the run that it becomes, have the same steps in common. What would stop or shorten a single run is off.
 */
export function probeSettings(plan: BakeoffPlan, probe: Probe, tokens: number): TrainingSettings {
  const { settings, rungs } = plan;
  const firstSteps = rungs[0]! / tokensPerStep(settings);
  return {
    ...settings,
    tokens,
    lr: probe.lr,
    seed: probe.seed,
    init: findCandidate(plan, probe.candidate).role === 'random' ? 'random' : 'checkpoint',
    schedule: 'constant',
    warmupSteps: warmupOf(settings, firstSteps),
    sampleEvery: 0,
    ...singleRunSettings,
  };
}

/** The warmup ends in the first half of the first rung. */
export const warmupOf = ({ warmupSteps }: TrainingSettings, firstSteps: number): number =>
  Math.min(warmupSteps, Math.floor(firstSteps / 2));

/** Settings that make sense for one run alone, and their values in a probe. */
const singleRunSettings = {
  budgetCost: 0,
  budgetHours: 0,
  budgetTokens: 0,
  earlyStoppingPatience: 0,
  keepEvery: 0,
  keepBest: 0,
} as const satisfies Partial<TrainingSettings>;
