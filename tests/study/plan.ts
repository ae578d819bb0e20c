/** @file What a study will take before it runs: its runs in order, their tokens and FLOPs, and the time on a device. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { formatCount, formatFlops, formatRoughDuration } from '../../src-main/base/format.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { trainingFlopsPerToken } from '../../src-main/cost/flops.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import { planStages, sourceFromPlan } from '../../src-main/growth/plan/stages.ts';
import { dimsOf, settingsOf as modelSettingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { configOf, recipesOf, targetOf, type Scale, type Sizes } from './scales.ts';
import { randomLike, randomTarget, sourceName, threeStages, trainedOn } from './study.ts';

export interface PlannedRuns {
  readonly name: string;
  readonly parameters: number;
  /** The fewest and most tokens of all runs together. */
  readonly tokens: readonly [number, number];
  readonly flops: readonly [number, number];
}

interface Model {
  readonly flopsPerToken: number;
  readonly parameters: number;
}

function measure(scale: Scale, subject: Subject): Model {
  const settings = { ...trainingDefaults, ...scale.settings };
  const parameters = parametersOf(familyOf({ model_type: subject.family }), subject.dims, subject.settings);
  return {
    flopsPerToken: trainingFlopsPerToken(
      subject,
      settings,
      scale.settings.precision === 'float32' ? 'cpu' : 'cuda',
    ),
    parameters: parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  };
}

function growthSource(scale: Scale, sizes: Sizes) {
  const config = configOf(scale, sizes);
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = modelSettingsOf(family, config);
  const tensors = parametersOf(family, dims, settings).map(({ name, shape }) => ({
    name,
    shape,
    dtype: 'float32' as const,
  }));
  return { family: family.id, dims, settings, config, tensors };
}

function grownModel(scale: Scale, recipe: readonly GrowthRequest[]): Model {
  const plans = planStages(growthSource(scale, scale.source), recipe);
  return measure(scale, sourceFromPlan(plans.at(-1)!));
}

/** Tokens that `lengthen` trains on after the shortest length, up to `longest` times as many. */
function tokensToLengthen(tokens: number, longest: number): number {
  let sum = 0;
  for (let factor = 2; factor <= longest; factor *= 2) sum += tokens * (factor - 0.8 * (factor / 2));
  return sum;
}

/** All runs of the study, in its order. */
export function planStudy(scale: Scale): readonly PlannedRuns[] {
  const { tokens, rates, seeds, sourceTokens, longest } = scale;
  const source = measure(scale, growthSource(scale, scale.source));
  const target = measure(scale, growthSource(scale, targetOf(scale)));
  const deeper = measure(scale, growthSource(scale, { ...scale.source, layers: 2 * scale.source.layers }));
  const upcycled = grownModel(scale, recipesOf(scale)['upcycle']!);
  const search: readonly [number, number] = [
    rates.length * tokens,
    (rates.length + scale.furtherRates) * tokens,
  ];
  const plan = (name: string, model: Model, [low, high]: readonly [number, number]): PlannedRuns => ({
    name,
    parameters: model.parameters,
    tokens: [low, high],
    flops: [low * model.flopsPerToken, high * model.flopsPerToken],
  });
  const add = (range: readonly [number, number], low: number, high = low): readonly [number, number] => [
    range[0] + low,
    range[1] + high,
  ];
  const others = (seeds.length - 1) * tokens;
  const perSeed = (factor: number): number => seeds.length * tokensToLengthen(tokens, factor);
  const sourceMost = sourceTokens / 0.8;
  const stagesFlops = (sourceTokens: number): number =>
    sourceTokens * source.flopsPerToken + tokens * target.flopsPerToken;
  return [
    plan(sourceName, source, add(search, 0, sourceMost)),
    plan('hypercloning', target, add(search, others + perSeed(4))),
    plan(randomTarget, target, add(search, others, others + perSeed(longest))),
    plan(trainedOn, source, add(search, tokensToLengthen(tokens, 4))),
    plan('expand', target, search),
    plan('shrink-perturb', target, search),
    plan('identity', deeper, search),
    plan('upcycle', upcycled, search),
    {
      name: threeStages,
      parameters: target.parameters,
      tokens: [tokens, tokens + 2 * sourceMost],
      flops: [tokens * target.flopsPerToken, stagesFlops(sourceMost)],
    },
    plan(randomLike('identity'), deeper, search),
    plan(randomLike('upcycle'), upcycled, search),
  ];
}

const deviceSchema = z.object({
  devices: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      peaks: z.object({ float32: z.number().optional(), bfloat16: z.number().optional() }),
    }),
  ),
});

/** The plan as text, with the time on a device of resources/devices.json at the utilisation that estimates assume. */
export function describePlan(scale: Scale, deviceId: string): string {
  const file = join(import.meta.dirname, '../../resources/devices.json');
  const { devices } = deviceSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  const device = devices.find(({ id }) => id === deviceId);
  const precision = scale.settings.precision === 'bfloat16' ? 'bfloat16' : 'float32';
  const peak = device?.peaks[precision];
  if (!device || peak === undefined)
    throw new Error(`--on ${deviceId}: choose ${devices.map(({ id }) => id).join(', ')}, with ${precision}.`);
  const runs = planStudy(scale);
  const range = ([low, high]: readonly [number, number], format: (value: number) => string): string =>
    format(low) === format(high) ? format(low) : `${format(low)} to ${format(high)}`;
  const sum = (key: 'tokens' | 'flops'): readonly [number, number] => [
    runs.reduce((total, run) => total + run[key][0], 0),
    runs.reduce((total, run) => total + run[key][1], 0),
  ];
  const flops = sum('flops');
  const { utilisationLow, utilisationHigh } = assumptionDefaults;
  const seconds = [flops[0] / peak / utilisationHigh, flops[1] / peak / utilisationLow] as const;
  return [
    `Scale ${scale.id}: ${scale.source.hidden} → ${targetOf(scale).hidden} wide, ${scale.source.layers} layers, ` +
      `${scale.seeds.length} seeds of the main pair`,
    ...runs.map(
      (run) =>
        `  ${run.name.padEnd(36)} ${formatCount(run.parameters).padStart(8)} parameters  ` +
        `${range(run.tokens, formatCount)} tokens  ${range(run.flops, formatFlops)}`,
    ),
    `  in all: ${range(sum('tokens'), formatCount)} tokens, ${range(flops, formatFlops)}`,
    `  on ${device.name} at ${utilisationLow * 100} to ${utilisationHigh * 100} % of its peak: ` +
      `${range(seconds, formatRoughDuration)}`,
    '  Line to meet (HyperCloning): 2.2 to 4 times fewer tokens to the final loss of random weights.',
  ].join('\n');
}
