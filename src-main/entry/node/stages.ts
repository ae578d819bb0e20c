/**
 * @file The stages of a growth from flags and files: one by --method, more by --then, all of them by
 * --recipe, or a plan that was saved.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import { recipeStage } from '../../contract/schema.ts';
import { whyOf } from '../../contract/serve.ts';
import type { Service } from '../../contract/service.ts';
import { methods, readPlan, sizesFrom, type GrowthRequest, type SavedPlan } from '../../service/choices.ts';
import { readChoice, readPairs, readSizes, readWhole } from './arguments.ts';
import { text, texts } from './command.ts';
import { dtypes } from './growing.ts';

const usage = (why: string): never => refuse('usage', { why });

/** One stage as it was asked for: sizes may be multiples of what the stage before it makes. */
interface Asked extends Partial<GrowthRequest> {
  readonly method: string;
  readonly times?: Readonly<Record<string, number>>;
}

/** The requests that flags and files make for the checkpoint or run in `dir`, every size worked out. */
export async function readStages(
  api: Service,
  dir: string,
  options: Readonly<Record<string, unknown>>,
): Promise<readonly GrowthRequest[]> {
  const asked = await askedIn(options);
  const requests: GrowthRequest[] = [];
  let dims: Readonly<Record<string, number>> | undefined;
  for (const [
    i,
    { method, times = {}, to = {}, options: values = {}, seed = asked[0]!.seed ?? 0, dtype = 'keep' },
  ] of asked.entries()) {
    // Some methods work the sizes out from their options.
    if (Object.keys(times).length + Object.keys(to).length === 0 && !methods.get(method)?.complete)
      usage(
        i === 0
          ? 'give the new sizes with --times or --to'
          : `stage ${i + 1} (${method}) names no size: give for example layers=x2`,
      );
    const both = Object.keys(to).find((name) => name in times);
    if (both !== undefined) usage(`${both} is given by both --times and --to`);
    if (Object.keys(times).length > 0)
      dims ??=
        i === 0
          ? (await opened(api, dir)).dims
          : (await api.planGrowth({ dir, request: requests })).stages.at(-1)!.to;
    requests.push({
      method,
      to: { ...(dims ? sizesFrom(times, dims) : {}), ...to },
      options: values,
      seed,
      dtype,
    });
    dims = undefined;
  }
  return requests;
}

/** The card of a checkpoint, or of a run's newest step. */
const opened = (api: Service, dir: string): ReturnType<Service['openCheckpoint']> =>
  api.openRun({ id: dir }).catch((thrown: unknown) => {
    if (thrown instanceof AppError && thrown.code === 'run/not-found') return api.openCheckpoint({ dir });
    throw thrown;
  });

async function askedIn(options: Readonly<Record<string, unknown>>): Promise<readonly [Asked, ...Asked[]]> {
  const file = text(options['recipe']);
  const method = text(options['method']);
  const then = thenIn(texts(options['then']));
  if (file !== undefined) {
    if (method !== undefined || text(options['times']) !== undefined || text(options['to']) !== undefined)
      usage('give either --recipe or --method with its sizes');
    return [...(await readRecipe(file)), ...then] as unknown as [Asked, ...Asked[]];
  }
  if (method === undefined) return usage('give a method with --method, or stages with --recipe');
  const times = text(options['times']);
  const to = text(options['to']);
  return [
    {
      method,
      options: readPairs('--option', texts(options['option'])),
      seed: readWhole('--seed', text(options['seed']) ?? '0'),
      dtype: readChoice('--dtype', text(options['dtype']) ?? 'keep', dtypes),
      ...(times === undefined ? {} : { times: readSizes('--times', times) }),
      ...(to === undefined ? {} : { to: readSizes('--to', to, { whole: true }) }),
    },
    ...then,
  ];
}

/** `identity layers=x2 vocab multiple=64`: each word without = begins a stage. */
function thenIn(words: readonly string[]): readonly Asked[] {
  const stages: { method: string; words: string[] }[] = [];
  for (const word of words.flatMap((w) => w.trim().split(/\s+/))) {
    if (!word.includes('=')) {
      if (!methods.has(word))
        usage(`--then "${word}" is not a method; they are ${[...methods.keys()].join(', ')}`);
      stages.push({ method: word, words: [] });
    } else if (stages.length === 0) usage(`--then begins with a method, not with ${word}`);
    else stages.at(-1)!.words.push(word);
  }
  return stages.map(({ method, words: pairs }) => {
    const all = readPairs('--then', pairs);
    const own = new Set(methods.get(method)!.options.map((o) => o.id));
    const { seed, dtype, ...rest } = all;
    const isSize = (name: string): boolean =>
      !own.has(name) && (typeof rest[name] === 'number' || /^x[\d.]+$/.test(String(rest[name])));
    const named = Object.keys(rest);
    const sizes = named.filter(isSize);
    const many = sizes.filter((name) => typeof rest[name] === 'string');
    return {
      method,
      options: Object.fromEntries(named.filter((name) => !isSize(name)).map((name) => [name, rest[name]!])),
      to: Object.fromEntries(
        sizes.filter((name) => !many.includes(name)).map((name) => [name, Number(rest[name])]),
      ),
      times: Object.fromEntries(many.map((name) => [name, Number(String(rest[name]).slice(1))])),
      ...(seed === undefined ? {} : { seed: readWhole('seed', String(seed)) }),
      ...(dtype === undefined ? {} : { dtype: readChoice('dtype', String(dtype), dtypes) }),
    };
  });
}

/**
 * A recipe file: a list of stages, or an object that holds them under `stages`; each names a method, and
 * sizes by `to` or `times`.
 */
async function readRecipe(path: string): Promise<readonly Asked[]> {
  const json = await readJsonFile(path);
  const list = Array.isArray(json) ? json : (json as { stages?: unknown } | null)?.stages;
  if (!Array.isArray(list) || list.length === 0)
    return refuse('file/bad-json', { path, why: 'it holds no list of stages' });
  return (list as unknown[]).map((stage, i) => {
    const read = recipeStage.safeParse(stage);
    return read.success
      ? (read.data as Asked)
      : refuse('file/bad-json', { path, why: `stage ${i + 1}: ${whyOf(read.error.issues[0])}` });
  });
}

/** A plan that was saved. Refuses what `readPlan` refuses. */
export const readPlanFile = async (path: string): Promise<SavedPlan> =>
  readPlan(await readJsonFile(path), path);

async function readJsonFile(path: string): Promise<unknown> {
  const whole = await readFile(resolve(path), 'utf8').catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT'
      ? refuse('file/not-found', { path })
      : refuse('file/unreadable', { path, why: error.message }),
  );
  try {
    return JSON.parse(whole);
  } catch (error) {
    return refuse('file/bad-json', { path, why: (error as Error).message });
  }
}
