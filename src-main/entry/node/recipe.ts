/** @file Reads the stages of a growth from flags or from a recipe file, and saved plans. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { anyJson, parseJson } from '../../base/json.ts';
import { AppError, refuse } from '../../base/errors.ts';
import { recipeStage, type CheckpointSummary } from '../../contract/schema.ts';
import { describeIssue } from '../../contract/serve.ts';
import type { Service } from '../../contract/service.ts';
import {
  methods,
  multiplySizes,
  readPlan,
  type GrowthRequest,
  type SavedPlan,
} from '../../service/catalog.ts';
import { readChoice, readPairs, readSizes, readWhole, refuseUsage } from './arguments.ts';
import { getText, getTexts, type Options } from './command.ts';
import { outputDTypes } from './growth-flags.ts';

/** A stage as it was given. `times` are multiples of the sizes after the stage before. */
interface Stage extends Partial<GrowthRequest> {
  readonly method: string;
  readonly times?: Readonly<Record<string, number>>;
}
type Stages = readonly [Stage, ...Stage[]];

/** The growth requests of the flags, for the checkpoint or run in `dir`, with all sizes computed. */
export async function readRequests(
  api: Service,
  dir: string,
  options: Options,
): Promise<readonly GrowthRequest[]> {
  const stages = await readStages(options);
  const requests: GrowthRequest[] = [];
  for (const [i, stage] of stages.entries()) {
    checkSizes(stage, i);
    const { method, times = {}, to = {}, options: values = {}, seed = stages[0].seed ?? 0 } = stage;
    const hasTimes = Object.keys(times).length > 0;
    const multiplied = hasTimes ? multiplySizes(times, await sizesAfter(api, dir, requests)) : {};
    const sizes = { ...multiplied, ...to };
    requests.push({ method, to: sizes, options: values, seed, dtype: stage.dtype ?? 'keep' });
  }
  return requests;
}

function checkSizes({ method, times = {}, to = {} }: Stage, index: number): void {
  const hasSizes = Object.keys(times).length + Object.keys(to).length > 0;
  // Some methods compute the sizes from their options.
  if (!hasSizes && !methods.get(method)?.sizesFromOptions)
    refuseUsage(
      index === 0
        ? 'give the new sizes with --times or --to'
        : `stage ${index + 1} (${method}) has no sizes: give for example layers=x2`,
    );
  const both = Object.keys(to).find((name) => name in times);
  if (both !== undefined) refuseUsage(`${both} is given by both --times and --to`);
}

/** The sizes of the source after `requests` were applied. */
async function sizesAfter(
  api: Service,
  dir: string,
  requests: readonly GrowthRequest[],
): Promise<Readonly<Record<string, number>>> {
  if (requests.length === 0) return (await openSource(api, dir)).dims;
  const plan = await api.planGrowth({ dir, request: [...requests] });
  return plan.stages.at(-1)!.to;
}

/** Opens a checkpoint, or the newest step of a run. */
const openSource = (api: Service, dir: string): Promise<CheckpointSummary> =>
  api.openRun({ id: dir }).catch((thrown: unknown) => {
    if (thrown instanceof AppError && thrown.code === 'run/not-found') return api.openCheckpoint({ dir });
    throw thrown;
  });

/** The stages of --recipe, or of --method, and those of --then. */
async function readStages(options: Options): Promise<Stages> {
  const file = getText(options['recipe']);
  const more = readThen(getTexts(options['then']));
  if (file === undefined) return [readFirstStage(options), ...more];
  const hasFlags = ['method', 'times', 'to'].some((name) => getText(options[name]) !== undefined);
  if (hasFlags) refuseUsage('give either --recipe or --method with its sizes');
  const [first, ...others] = await readRecipe(file);
  return [first, ...others, ...more];
}

function readFirstStage(options: Options): Stage {
  const method = getText(options['method']);
  if (method === undefined) return refuseUsage('give a method with --method, or stages with --recipe');
  const times = getText(options['times']);
  const to = getText(options['to']);
  return {
    method: checkMethod('--method', method),
    options: readPairs('--option', getTexts(options['option'])),
    seed: readWhole('--seed', getText(options['seed']) ?? '0'),
    dtype: readChoice('--dtype', getText(options['dtype']) ?? 'keep', outputDTypes),
    ...(times === undefined ? {} : { times: readSizes('--times', times) }),
    ...(to === undefined ? {} : { to: readSizes('--to', to, { whole: true }) }),
  };
}

/** Reads stages such as `identity layers=x2 vocab multiple=64`. A word without = begins a stage. */
function readThen(values: readonly string[]): readonly Stage[] {
  const stages: { readonly method: string; readonly pairs: string[] }[] = [];
  for (const word of values.flatMap((value) => value.trim().split(/\s+/))) {
    const stage = stages.at(-1);
    if (!word.includes('=')) stages.push({ method: checkMethod('--then', word), pairs: [] });
    else if (stage) stage.pairs.push(word);
    else refuseUsage(`--then begins with a method, not with ${word}`);
  }
  return stages.map(({ method, pairs }) => readStage(method, readPairs('--then', pairs)));
}

const checkMethod = (flag: string, id: string): string =>
  methods.has(id)
    ? id
    : refuseUsage(`${flag} "${id}" is not a method; the methods are ${[...methods.keys()].join(', ')}`);

/** Sorts the pairs of a stage into sizes (`layers=4`), multiples (`layers=x2`), options, seed and dtype. */
function readStage(method: string, pairs: Readonly<Record<string, string | number>>): Stage {
  const optionIds = new Set(methods.get(method)!.options.map(({ id }) => id));
  const to: Record<string, number> = {};
  const times: Record<string, number> = {};
  const options: Record<string, string | number> = {};
  const { seed, dtype, ...others } = pairs;
  for (const [name, value] of Object.entries(others)) {
    const multiple = /^x([\d.]+)$/.exec(String(value))?.[1];
    if (optionIds.has(name)) options[name] = value;
    else if (multiple !== undefined) times[name] = Number(multiple);
    else if (typeof value === 'number') to[name] = value;
    else options[name] = value;
  }
  return {
    method,
    options,
    to,
    times,
    ...(seed === undefined ? {} : { seed: readWhole('seed', String(seed)) }),
    ...(dtype === undefined ? {} : { dtype: readChoice('dtype', String(dtype), outputDTypes) }),
  };
}

/** Reads a recipe file: a list of stages, or an object with the list in `stages`. */
async function readRecipe(path: string): Promise<Stages> {
  const json = await readJsonFile(path);
  const list = Array.isArray(json) ? json : (json as { stages?: unknown } | null)?.stages;
  if (!Array.isArray(list) || list.length === 0)
    return refuse('file/bad-json', { path, why: 'it has no list of stages' });
  return (list as unknown[]).map((stage, i) => {
    const parsed = recipeStage.safeParse(stage);
    if (parsed.success) return parsed.data as Stage;
    const issue = describeIssue(parsed.error.issues[0]);
    return refuse('file/bad-json', { path, why: `stage ${i + 1}: ${issue}` });
  }) as unknown as Stages;
}

/** Reads a saved plan. */
export const readPlanFile = async (path: string): Promise<SavedPlan> =>
  readPlan(await readJsonFile(path), path);

/** Reads a JSON file. Throws `file/not-found`, `file/unreadable` or `file/bad-json`. */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = await readFile(resolve(path), 'utf8').catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT'
      ? refuse('file/not-found', { path })
      : refuse('file/unreadable', { path, why: error.message }),
  );
  try {
    return parseJson(text, anyJson);
  } catch (error) {
    return refuse('file/bad-json', { path, why: (error as Error).message });
  }
}
