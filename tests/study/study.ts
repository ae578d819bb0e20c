/**
 * @file The study: which runs there are, and in which order. The pair of hypercloning and random weights comes first,
 * so that an interrupted study still answers its main question.
 */
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { RunStage } from '../../src-main/train/stages.ts';
import type { Lab, Result, RunSpec, StudyText } from './lab.ts';
import { configOf, recipesOf, targetOf, type Scale, type Sizes } from './scales.ts';

export const sourceName = 'source';
export const trainedOn = 'source, trained on';
export const randomTarget = 'random weights';
export const threeStages = 'three stages';
export const randomLike = (method: string): string => `random weights, sizes of ${method}`;

/** Another order of the text than that of the runs that follow. */
const sourceSeed = 1000;
const warmupShare = 0.2;

export interface Study {
  readonly scale: Scale;
  readonly lab: Lab;
  readonly text: StudyText;
  readonly device: TrainingSettings['device'];
  readonly threads: number;
  /** Trains the main pair alone: the source, hypercloning and random weights. */
  readonly isMainPairAlone?: boolean;
}

function settingsOf(
  { scale, text, device, threads }: Study,
  changes: Partial<TrainingSettings>,
): TrainingSettings {
  const stepsOfRun = Math.round(
    scale.tokens / (scale.settings.microBatch * scale.settings.gradAccum * scale.settings.contextLength),
  );
  return {
    ...trainingDefaults,
    schedule: 'wsd',
    decayFraction: 0.2,
    minLrRatio: 0.05,
    tokens: scale.tokens,
    heldOut: text.heldOut,
    saveEvery: Math.max(1, Math.round(stepsOfRun / 5)),
    // The end of the constant learning rate of this length, and of all that are twice as long.
    keepEvery: Math.round(stepsOfRun * 0.8),
    evaluateEvery: Math.max(1, Math.round(stepsOfRun / 20)),
    sampleEvery: 0,
    device,
    threads,
    ...scale.settings,
    ...changes,
  };
}

/** A start, before its learning rate and seed are chosen. */
interface Start {
  readonly name: string;
  readonly checkpointFor: (seed: number) => Promise<RunSpec['checkpoint']>;
  readonly init: TrainingSettings['init'];
}

async function specOf(
  study: Study,
  { name, checkpointFor, init }: Start,
  changes: Partial<TrainingSettings>,
): Promise<RunSpec> {
  const settings = settingsOf(study, { init, ...changes });
  return { start: name, checkpoint: await checkpointFor(settings.seed), settings };
}

/**
 * The best learning rate on the first seed, at a multiple of the shortest length. Further rates follow while the best
 * is at an end.
 */
async function findRate(
  study: Study,
  start: Start,
  rates = start.init === 'random' ? study.scale.rates : study.scale.grownRates,
  factor = 1,
): Promise<number> {
  const { scale, lab } = study;
  const losses = new Map<number, number>();
  const measure = async (lr: number): Promise<void> => {
    const spec = await specOf(study, start, { lr, seed: scale.seeds[0]!, tokens: factor * scale.tokens });
    losses.set(lr, (await lab.train(spec)).loss);
  };
  for (const lr of rates) await measure(lr);
  for (let i = 0; ; i++) {
    const tried = [...losses.keys()].sort((a, b) => a - b);
    const best = tried.reduce((a, b) => (losses.get(b)! < losses.get(a)! ? b : a));
    const isInside = best !== tried[0] && best !== tried.at(-1);
    if (isInside || tried.length === 1 || i >= scale.furtherRates) return best;
    await measure(best === tried[0] ? best / 2 : best * 2);
  }
}

/** Doubles the length of a start until it reaches `loss`, or has the most tokens. Returns all results. */
async function lengthen(
  study: Study,
  start: Start,
  options: { readonly lr: number; readonly seed: number; readonly until?: number; readonly longest: number },
): Promise<readonly Result[]> {
  const { lr, seed, until = -Infinity, longest } = options;
  const results: Result[] = [];
  for (let factor = 1; factor <= longest; factor *= 2) {
    const spec = await specOf(study, start, { lr, seed, tokens: study.scale.tokens * factor });
    results.push(await study.lab.train(spec));
    if (results.at(-1)!.loss <= until) break;
  }
  return results;
}

const randomStart = (study: Study, name: string, sizes: Sizes): Start => ({
  name,
  init: 'random',
  checkpointFor: () => study.lab.emptyCheckpoint(configOf(study.scale, sizes)),
});

/** Trains the source until its curve is flat. Returns its spec and result. */
async function trainSource(study: Study): Promise<{ readonly spec: RunSpec; readonly result: Result }> {
  const { scale } = study;
  const start = randomStart(study, sourceName, scale.source);
  const lr = await findRate(study, { ...start, name: `${sourceName}, learning rates` });
  const constant = {
    lr,
    seed: sourceSeed,
    schedule: 'constant',
    tokens: scale.sourceTokens,
    keepEvery: 0,
  } as const;
  const spec = { ...(await specOf(study, start, constant)), plateau: scale.plateau };
  return { spec, result: await study.lab.trainUntilFlat(spec) };
}

/**
 * A run that begins with half the layers of the source and grows twice while it trains, first in depth, then in
 * width. It has the FLOPs of the source and of the grown model together, half of the source's in each of the first
 * two stages.
 */
async function trainInStages(
  study: Study,
  source: Result,
  grown: Result,
  rates: { readonly source: number; readonly grown: number },
): Promise<Result> {
  const { scale, lab } = study;
  const perStep = scale.settings.microBatch * scale.settings.gradAccum * scale.settings.contextLength;
  const small: Sizes = { ...scale.source, layers: Math.max(1, Math.floor(scale.source.layers / 2)) };
  const sourceFlopsPerToken = source.flops / source.tokens;
  // Embeddings and blocks: what half the layers save is measured by a short run of the learning rate's length.
  const probe = await lab.train(
    await specOf(study, randomStart(study, `${threeStages}, first stage alone`, small), {
      lr: rates.source,
      seed: scale.seeds[0]!,
    }),
  );
  const round = (tokens: number): number => Math.round(tokens / perStep) * perStep;
  const first = round(source.flops / 2 / (probe.flops / probe.tokens));
  const second = first + round(source.flops / 2 / sourceFlopsPerToken);
  const tokens = second + grown.tokens;
  const { hidden, ffn } = targetOf(scale);
  const growth = (method: string, to: Readonly<Record<string, number>>) => [
    { method, to, options: {}, seed: scale.seeds[0]!, dtype: 'keep' as const },
  ];
  const stages: readonly RunStage[] = [
    { until: { tokens: first } },
    { grow: growth('identity', { layers: scale.source.layers }), until: { tokens: second } },
    {
      grow: growth('hypercloning', { hidden, ffn }),
      lr: rates.grown,
      rewarmSteps: Math.round(scale.settings.warmupSteps * warmupShare),
    },
  ];
  const spec = await specOf(study, randomStart(study, threeStages, small), {
    lr: rates.source,
    seed: scale.seeds[0]!,
    tokens,
    keepEvery: 0,
    decayFraction: (0.2 * grown.tokens) / tokens,
  });
  return lab.train({ ...spec, stages });
}

/** Runs the study. Every result is kept as soon as its run has ended. */
export async function runStudy(study: Study): Promise<void> {
  const { scale, lab } = study;
  const [firstSeed] = scale.seeds as readonly [number];
  const { spec, result: sourceResult } = await trainSource(study);
  const source = await lab.exportCheckpoint(spec);
  const recipes = recipesOf(scale);
  const grownStart = (method: string): Start => ({
    name: method,
    init: 'checkpoint',
    checkpointFor: (seed) => lab.grownCheckpoint(source, recipes[method]!, seed, study.device),
  });

  const cloned = grownStart('hypercloning');
  const cloneRate = await findRate(study, cloned);
  const clones = new Map<number, Result>();
  for (const seed of scale.seeds)
    clones.set(seed, (await lengthen(study, cloned, { lr: cloneRate, seed, longest: 1 }))[0]!);
  const random = randomStart(study, randomTarget, targetOf(scale));
  const randomRate = await findRate(study, random);
  const compared = Math.min(4, scale.longest);
  for (const longest of [1, compared])
    for (const seed of scale.seeds)
      await lengthen(study, random, { lr: randomRate, seed, until: clones.get(seed)!.loss, longest });
  const longRate = await findLongRate(study, cloned, cloneRate);
  if (study.isMainPairAlone) return;

  const further: Start = {
    name: trainedOn,
    init: 'checkpoint',
    checkpointFor: () => Promise.resolve(source),
  };
  const furtherRate = await findRate(study, further);
  await lengthen(study, further, { lr: furtherRate, seed: firstSeed, longest: compared });
  const stageRates = { source: sourceResult.lr, grown: cloneRate };
  await trainInStages(study, sourceResult, clones.get(firstSeed)!, stageRates);
  await findRate(study, grownStart('expand'));
  await findRate(study, grownStart('shrink-perturb'), scale.rates);
  await findRate(study, grownStart('identity'));
  await findRate(study, grownStart('upcycle'));
  const deeper = { ...scale.source, layers: 2 * scale.source.layers };
  await findRate(study, randomStart(study, randomLike('identity'), deeper));
  const upcycled = await lab.grownCheckpoint(source, recipes['upcycle']!, firstSeed, study.device);
  await findRate(study, {
    name: randomLike('upcycle'),
    init: 'random',
    checkpointFor: () => Promise.resolve(upcycled),
  });

  for (const seed of scale.seeds) {
    await lengthen(study, cloned, { lr: longRate, seed, longest: compared });
    await lengthen(study, random, { lr: randomRate, seed, longest: compared });
  }
  for (const seed of scale.seeds) {
    const until = clones.get(seed)!.loss;
    await lengthen(study, random, { lr: randomRate, seed, until, longest: scale.longest });
  }
}

/** A longer run can use a higher rate: the best at twice the shortest length, of multiples of the best there. */
const findLongRate = (study: Study, start: Start, lr: number): Promise<number> =>
  findRate(
    { ...study, scale: { ...study.scale, furtherRates: 0 } },
    start,
    study.scale.longRates.map((factor) => factor * lr),
    2,
  );
