/**
 * @file What the engine's tests share: a home of their own, collected events, runs made and read back,
 * weights of a folder.
 */
import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent, RunSettings } from '../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { AppError } from '../../src-main/base/errors.ts';
import { aborter, type AbortSignalLike } from '../../src-main/base/signals.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../src-main/growth/recipe.ts';
import { openCheckpoint, readTensor, type Checkpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { widen } from '../../src-main/tensor/dtype.ts';
import { fixtures } from '../support/golden.ts';
import { freePath, freshFolder } from '../support/temporary.ts';

process.env['CAMBIUM_HOME'] = freshFolder('home');

/** Never aborted. */
export const quiet: AbortSignalLike = aborter().signal;

export async function collected<T>(events: AsyncIterable<T>): Promise<readonly T[]> {
  const out: T[] = [];
  for await (const event of events) out.push(event);
  return out;
}

/** What is asked of a method: the sizes that it grows, twice (or what it can) as large. */
const asked = ({ id, grows }: GrowthMethod): Readonly<Record<string, number>> =>
  Object.fromEntries(
    ['hidden', 'ffn', 'heads', 'layers', 'vocab']
      .filter((axis) => (grows as readonly string[]).includes(axis))
      .map((axis) => [axis, id === 'expand' ? 1.5 : 2]),
  );
export type Growth = readonly [
  title: string,
  method: string,
  times: Readonly<Record<string, number>>,
  options: GrowthRequest['options'],
];
/** One growth by every method there is, and one by a variant of the first. */
export const growths: readonly Growth[] = [
  ...[...methods.values()].map((method): Growth => [method.id, method.id, asked(method), {}]),
  [
    'hypercloning without noise, diagonal',
    'hypercloning',
    { hidden: 2, ffn: 2, heads: 2 },
    { noise: null, variant: 'diagonal' },
  ],
];
export const growthBy = (title: string): Growth => growths.find(([t]) => t === title)!;

/** The plan of one of these for a checkpoint; sizes that its family lacks are left out. */
export async function planned(
  dir: string,
  [, method, times, options]: Growth,
  more: Partial<GrowthRequest> = {},
): Promise<GrowthPlan> {
  const { card } = await openCheckpoint(dir);
  const to: Record<string, number> = {};
  for (const [axis, factor] of Object.entries(times)) {
    const own = axis === 'heads' && 'kv_heads' in card.dims ? 'kv_heads' : axis;
    to[own] = card.dims[own]! * factor;
  }
  return planGrowth(card, { method, to, options, seed: 3, dtype: 'keep', ...more });
}

/**
 * The plan, without heads where the method cannot grow those alone, or undefined where it refuses this
 * family.
 */
export async function plannedIfPossible(
  dir: string,
  [title, method, times, options]: Growth,
): Promise<GrowthPlan | undefined> {
  for (const left of [
    times,
    Object.fromEntries(Object.entries(times).filter(([axis]) => axis !== 'heads')),
  ]) {
    try {
      return await planned(dir, [title, method, left, options]);
    } catch (error) {
      if (!(error instanceof AppError && error.code.startsWith('growth/'))) throw error;
    }
  }
  return undefined;
}

/** Families of the two kinds of norm and of attention, for what need not be tried with all. */
export const chief = ['gpt2', 'llama'] as const;

/** Bytes of every weight, by name. */
export async function weightsOf(dir: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const checkpoint = await openCheckpoint(dir);
  const out = new Map<string, Uint8Array>();
  for (const name of checkpoint.refs.keys()) out.set(name, await readTensor(checkpoint, name));
  return out;
}
/** Adds `by` to `count` values of a float32 weight, in its file. */
export async function damage(dir: string, name: string, by: number, count = Infinity): Promise<void> {
  const { refs } = await openCheckpoint(dir);
  const { file, start, bytes } = refs.get(name)!;
  const whole = readFileSync(file);
  for (let at = 0; at < Math.min(bytes, count * 4); at += 4)
    whole.writeFloatLE(whole.readFloatLE(start + at) + by, start + at);
  writeFileSync(file, whole);
}
export const valuesOf = async (checkpoint: Checkpoint, name: string): Promise<Float32Array> =>
  widen(await readTensor(checkpoint, name), checkpoint.refs.get(name)!.dtype);

/** Every file below `dir` with a digest of its bytes. */
export function digests(
  dir: string,
  only: (path: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  const paths = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(dir, path)).isFile() && only(path))
    .sort();
  return Object.fromEntries(
    paths.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(dir, path)))
        .digest('hex'),
    ]),
  );
}

const words =
  'the quick brown fox jumps over a lazy dog while seven small boats sail home before night falls on the quiet water and children sing'.split(
    ' ',
  );
/** A text file of about so many characters; the same for the same seed. */
export function textFile(characters = 6000, seed = 1): string {
  let state = seed;
  let text = '';
  while (text.length < characters) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += `${words[(state >>> 16) % words.length]!}${state % 11 === 0 ? '.\n' : ' '}`;
  }
  const path = join(freshFolder(), 'text.txt');
  writeFileSync(path, text);
  return path;
}

/** Small settings that end quickly. */
export const small: TrainingSettings = {
  ...trainingDefaults,
  tokens: 6 * 2 * 16,
  batch: 2,
  sequence: 16,
  lr: 3e-3,
  warmup: 2,
  device: 'cpu',
  threads: 1,
  saveEvery: 0,
  evaluateEvery: 0,
  sampleEvery: 0,
  heldOut: 0.05,
  prompt: 'the',
};

/** A new run; answers with its folder. */
export async function newRun(
  checkpoint: string,
  data: string,
  settings: Partial<TrainingSettings> = {},
  dir = freePath('run'),
): Promise<string> {
  await createRun(dir, {
    name: 'run',
    checkpoint,
    data: [data],
    settings: { ...small, ...settings },
  } satisfies Pick<RunSettings, 'name' | 'checkpoint' | 'data' | 'settings'>);
  return dir;
}

export const only = <A extends RunEvent['at']>(
  events: readonly RunEvent[],
  at: A,
): readonly Extract<RunEvent, { at: A }>[] =>
  events.filter((e): e is Extract<RunEvent, { at: A }> => e.at === at);

/** A golden checkpoint with a tokenizer of one word for each of its tokens. */
export async function goldenWithTokenizer(name: string): Promise<string> {
  const dir = join(freshFolder(), name);
  const { card } = await openCheckpoint(join(fixtures, 'golden', name));
  cpSync(join(fixtures, 'golden', name), dir, { recursive: true });
  const vocab = Object.fromEntries(
    Array.from({ length: card.dims['vocab']! }, (_, i) => [i === 0 ? '<|endoftext|>' : `w${i}`, i]),
  );
  writeFileSync(
    join(dir, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [
        {
          id: 0,
          content: '<|endoftext|>',
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: 'Whitespace' },
      post_processor: null,
      decoder: null,
      model: { type: 'WordLevel', vocab, unk_token: 'w1' },
    }),
  );
  writeFileSync(
    join(dir, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: '<|endoftext|>',
      unk_token: 'w1',
    }),
  );
  return dir;
}
