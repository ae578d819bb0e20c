/** @file Helpers for the engine's tests: plans and runs to test with, collected events, weights of a folder. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { RunEvent, RunSettings } from '../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { AppError } from '../../src-main/base/errors.ts';
import { createAborter, type AbortSignalLike } from '../../src-main/base/signals.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../src-main/growth/recipe.ts';
import type { Verdict } from '../../src-main/model/certificate.ts';
import { openCheckpoint, readTensor, type Checkpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { upcast } from '../../src-main/tensor/dtype.ts';
import { fixtures } from '../support/golden.ts';
import { freePath, freshFolder } from '../support/temporary.ts';

process.env['CAMBIUM_HOME'] = freshFolder('home');

/** A signal that is never aborted. */
export const neverAborted: AbortSignalLike = createAborter().signal;

export async function collect<T>(events: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}

/** Factors for every size that a method grows: 2, or 1.5 for a method that accepts fractions. */
const factorsFor = ({ id, grows }: GrowthMethod): Readonly<Record<string, number>> =>
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
/** One growth by each method, and one by a variant. */
export const growths: readonly Growth[] = [
  ...[...methods.values()].map((method): Growth => [method.id, method.id, factorsFor(method), {}]),
  [
    'hypercloning without noise, diagonal',
    'hypercloning',
    { hidden: 2, ffn: 2, heads: 2 },
    { noise: null, variant: 'diagonal' },
  ],
];
export const growthNamed = (title: string): Growth => growths.find(([t]) => t === title)!;

/** Plans a growth of a checkpoint. */
export async function planFor(
  dir: string,
  [, method, times, options]: Growth,
  more: Partial<GrowthRequest> = {},
): Promise<GrowthPlan> {
  const { summary } = await openCheckpoint(dir);
  const to: Record<string, number> = {};
  for (const [axis, factor] of Object.entries(times)) {
    const size = axis === 'heads' && 'kv_heads' in summary.dims ? 'kv_heads' : axis;
    to[size] = summary.dims[size]! * factor;
  }
  return planGrowth(summary, { method, to, options, seed: 3, dtype: 'keep', ...more });
}

/** The verdict of the certificate of a correct growth. */
export const verdictOf = ({ promise }: GrowthPlan): Verdict =>
  promise.kind === 'none' ? 'measured' : 'passed';

/** Plans a growth; without heads if the method cannot grow them, undefined if it refuses the family. */
export async function planIfPossible(
  dir: string,
  [title, method, times, options]: Growth,
): Promise<GrowthPlan | undefined> {
  const withoutHeads = Object.fromEntries(Object.entries(times).filter(([axis]) => axis !== 'heads'));
  for (const factors of [times, withoutHeads]) {
    try {
      return await planFor(dir, [title, method, factors, options]);
    } catch (error) {
      if (!(error instanceof AppError && error.code.startsWith('growth/'))) throw error;
    }
  }
  return undefined;
}

/** Families with both kinds of norm and of attention, for tests that need not run for every family. */
export const mainFamilies = ['gpt2', 'llama'] as const;

/** Reads the bytes of every weight, by name. */
export async function readWeights(dir: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const checkpoint = await openCheckpoint(dir);
  const weights = new Map<string, Uint8Array>();
  for (const name of checkpoint.tensors.keys()) weights.set(name, await readTensor(checkpoint, name));
  return weights;
}
/** Adds `delta` to the first `count` values of a float32 weight, in its file. */
export async function addToWeight(dir: string, name: string, delta: number, count = Infinity): Promise<void> {
  const { tensors } = await openCheckpoint(dir);
  const { file, offset, bytes } = tensors.get(name)!;
  const contents = readFileSync(file);
  const end = offset + Math.min(bytes, count * 4);
  for (let at = offset; at < end; at += 4) contents.writeFloatLE(contents.readFloatLE(at) + delta, at);
  writeFileSync(file, contents);
}
/** Reads a weight as float32. */
export const readValues = async (checkpoint: Checkpoint, name: string): Promise<Float32Array> =>
  upcast(await readTensor(checkpoint, name), checkpoint.tensors.get(name)!.dtype);

/** Expects that a job which was to write the folder `out` left nothing behind. */
export const expectNothingLeft = (out: string): void => {
  expect(existsSync(dirname(out)) ? readdirSync(dirname(out)) : []).toEqual([]);
};

/** SHA-256 of every file below `dir`. */
export function digestFiles(
  dir: string,
  include: (path: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  const paths = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(dir, path)).isFile() && include(path))
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

const words = [
  'the quick brown fox jumps over a lazy dog while seven small boats sail home before night falls',
  'on the quiet water and children sing',
]
  .join(' ')
  .split(' ');
/** Writes a text file of about `characters` characters, which depend only on the seed. */
export function createTextFile(characters = 6000, seed = 1): string {
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

/** Settings of a run that ends quickly. */
export const smallSettings: TrainingSettings = {
  ...trainingDefaults,
  tokens: 6 * 2 * 16,
  microBatch: 2,
  contextLength: 16,
  lr: 3e-3,
  warmupSteps: 2,
  device: 'cpu',
  threads: 1,
  saveEvery: 0,
  evaluateEvery: 0,
  sampleEvery: 0,
  heldOut: 0.05,
  prompt: 'the',
};

/** Throws for a name that is no setting. TypeScript does not find such a name in a spread object. */
function checkSettingNames(settings: Partial<TrainingSettings>): void {
  for (const name of Object.keys(settings))
    if (!(name in trainingDefaults) && name !== 'phases')
      throw new Error(`${name} is not a training setting`);
}

/** Creates a run with `smallSettings` and these changes, and returns its folder. */
export async function createTestRun(
  checkpoint: string,
  data: string,
  settings: Partial<TrainingSettings> = {},
  dir = freePath('run'),
): Promise<string> {
  checkSettingNames(settings);
  await createRun(dir, {
    name: 'run',
    checkpoint,
    data: [data],
    settings: { ...smallSettings, ...settings },
  } satisfies Pick<RunSettings, 'name' | 'checkpoint' | 'data' | 'settings'>);
  return dir;
}

export const eventsOfType = <A extends RunEvent['type']>(
  events: readonly RunEvent[],
  type: A,
): readonly Extract<RunEvent, { type: A }>[] =>
  events.filter((e): e is Extract<RunEvent, { type: A }> => e.type === type);

/** Copies a golden checkpoint and gives it a tokenizer with one word for each token. */
export async function createGoldenWithTokenizer(name: string): Promise<string> {
  const dir = join(freshFolder(), name);
  const { summary } = await openCheckpoint(join(fixtures, 'golden', name));
  cpSync(join(fixtures, 'golden', name), dir, { recursive: true });
  const vocab = Object.fromEntries(
    Array.from({ length: summary.dims['vocab']! }, (_, i) => [i === 0 ? '<|endoftext|>' : `w${i}`, i]),
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
