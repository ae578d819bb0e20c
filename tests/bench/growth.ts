/**
 * @file `npm run bench:growth`: does growth help? A small model is trained from scratch on real text, grown ×2 by
 * every method, and trained next to random weights of the same size and next to the source, on the same batches,
 * with three seeds. Each finished run is a line of results.jsonl in the folder of the benchmark, so that the
 * command continues where it was stopped. At the end it writes docs/results.md and its charts.
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { neverAborts } from '../../src-main/base/signals.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { createSavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { llama } from './cases.ts';
import { randomStart, sourceStart, sourceTarget, writeReport, type Result } from './growth-report.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';

const root = resolve(import.meta.dirname, '../..');
const work = resolve(process.env['CAMBIUM_BENCH_DIR'] ?? join(homedir(), '.cache', 'cambium-bench-growth'));
const resultsFile = join(work, 'results.jsonl');
process.env['CAMBIUM_HOME'] = join(work, 'home');
const threads = Number(process.env['CAMBIUM_BENCH_THREADS'] ?? 0);

/** Tokens that each start is trained on, and the source before. */
const tokens = 409_600;
const sourceTokens = 2_457_600;
const microBatch = 16;
const contextLength = 128;
const seeds = [0, 1, 2] as const;
/** Each start gets the better of these learning rates, judged on the first seed. */
const learningRates = [1e-3, 3e-3];
const config = {
  ...llama({ hidden: 64, layers: 4, heads: 4, kvHeads: 2, ffn: 176, vocab: 1024, tied: true }),
  max_position_embeddings: 256,
};

/** The Markdown files of the installed packages, each once, in one text. */
function writeManuals(path: string): void {
  const modules = join(root, 'node_modules');
  const hashes = new Set<string>();
  const texts: string[] = [];
  const files = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.md$/i.test(file))
    .sort()
    .map((file) => join(modules, file));
  for (const file of files) {
    const stats = statSync(file);
    if (!stats.isFile() || stats.size >= 200_000) continue;
    const text = readFileSync(file, 'utf8');
    const hash = createHash('sha256').update(text).digest('hex');
    if (!hashes.has(hash)) texts.push(text);
    hashes.add(hash);
  }
  writeFileSync(path, texts.join('\n\n'));
}

/** The texts by name: Shakespeare if it is there, and the manuals of the installed packages. */
function corpora(): Readonly<Record<string, string>> {
  const shakespeareFile = process.env['CAMBIUM_SHAKESPEARE'] ?? join(root, '../shared/data/shakespeare.txt');
  const shakespeare = resolve(shakespeareFile);
  const manuals = join(work, 'manuals.txt');
  if (!existsSync(manuals)) writeManuals(manuals);
  return { ...(existsSync(shakespeare) ? { shakespeare } : {}), manuals };
}

const makeSettings = (changes: Partial<TrainingSettings>): TrainingSettings => ({
  ...trainingDefaults,
  tokens,
  microBatch,
  contextLength,
  schedule: 'cosine',
  minLrRatio: 0.05,
  warmupSteps: 10,
  heldOut: 0.05,
  saveEvery: 0,
  sampleEvery: 0,
  evaluateEvery: 10,
  device: 'cpu',
  threads,
  ...changes,
});

/** Trains `checkpoint` in the run folder `dir`, which is replaced; returns its held-out losses. */
async function trainAndEvaluate(
  dir: string,
  checkpoint: string,
  text: string,
  settings: TrainingSettings,
): Promise<Result['curve']> {
  rmSync(dir, { recursive: true, force: true });
  await createRun(dir, { checkpoint, data: [text], name: 'bench', settings });
  const curve: Result['curve'][number][] = [];
  for await (const event of train({ run: dir }, neverAborts)) {
    if (event.type === 'evaluated') {
      curve.push({ tokens: event.step * microBatch * contextLength, loss: event.loss });
    }
    if (event.type === 'stopped' && event.reason !== 'finished') {
      throw new Error(`${dir}: ${JSON.stringify(event)}`);
    }
  }
  return curve;
}

/**
 * The sizes that ×2 means for a method: hidden and ffn if it grows them, else layers, else what it grows; 1.5 times
 * the layers for solar. Null for methods that do not change what the text is trained with.
 */
function doubleSizes(method: GrowthMethod, from: Dims): Dims | null {
  if (method.grows.includes('vocab')) return null; // new tokens never occur in the text
  if (method.sizesFromOptions) {
    return method.grows.includes('layers') ? { layers: 1.5 * from['layers']! } : {};
  }
  const double = (...axes: readonly string[]): Dims =>
    Object.fromEntries(axes.map((axis) => [axis, 2 * from[axis]!]));
  if (method.grows.includes('hidden')) return double('hidden', 'ffn');
  if (method.grows.includes('layers')) return double('layers');
  return method.grows.includes('ffn') ? double('ffn', 'kv_heads') : null;
}

function readResults(): readonly Result[] {
  if (!existsSync(resultsFile)) return [];
  const lines = readFileSync(resultsFile, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Result);
}

type ResultKey = Omit<Result, 'curve' | 'parameters'>;

/** Trains one run, unless results.jsonl has it already. */
async function measure(
  key: ResultKey,
  checkpoint: string,
  text: string,
  changes: Partial<TrainingSettings>,
): Promise<Result> {
  const names = Object.keys(key) as (keyof ResultKey)[];
  const known = readResults().find((result) => names.every((name) => result[name] === key[name]));
  if (known) return known;
  const settings = makeSettings({ lr: key.lr, seed: key.seed, ...changes });
  const curve = await trainAndEvaluate(join(work, 'run'), checkpoint, text, settings);
  const { summary } = await openCheckpoint(checkpoint);
  const result: Result = { ...key, parameters: summary.parameters, curve };
  appendFileSync(resultsFile, `${JSON.stringify(result)}\n`);
  const losses = `${curve[0]!.loss.toFixed(3)} → ${curve.at(-1)!.loss.toFixed(3)}`;
  console.log(`${key.corpus}  ${key.start.padEnd(28)} seed ${key.seed}  lr ${key.lr}  ${losses}`);
  return result;
}

interface Start {
  readonly corpus: string;
  readonly name: string;
  /** The sizes as text, by which starts are compared with random weights. */
  readonly target: string;
  /** The checkpoint to start from. */
  readonly checkpointFor: (seed: number) => Promise<string>;
  readonly text: string;
  readonly changes?: Partial<TrainingSettings>;
}

/** Finds the better learning rate on the first seed, then trains the other seeds with it. */
async function measureStart({ corpus, name, target, checkpointFor, text, changes }: Start): Promise<void> {
  const run = async (seed: number, lr: number): Promise<Result> =>
    measure({ corpus, start: name, target, seed, lr }, await checkpointFor(seed), text, changes ?? {});
  const [firstSeed, ...otherSeeds] = seeds;
  const lossOf = (result: Result): number => result.curve.at(-1)!.loss;
  const tried: Result[] = [];
  for (const lr of learningRates) tried.push(await run(firstSeed, lr));
  const best = tried.reduce((a, b) => (lossOf(b) < lossOf(a) ? b : a));
  for (const seed of otherSeeds) await run(seed, best.lr);
}

/** Trains the source on a corpus from random weights, unless it is there; returns its folder. */
async function makeSource(corpus: string, text: string): Promise<string> {
  const source = join(work, `source-${corpus}`);
  if (existsSync(source)) return source;
  const empty = join(work, `empty-${corpus}`);
  const run = join(work, 'source-run');
  rmSync(empty, { recursive: true, force: true });
  await writeRandomCheckpoint(empty, config, 1e9, join(root, 'resources/demo/seedling'));
  const settings = makeSettings({
    tokens: sourceTokens,
    lr: 4e-3,
    schedule: 'wsd',
    decayFraction: 0.3,
    minLrRatio: 0.02,
    warmupSteps: 50,
    init: 'random',
    evaluateEvery: 100,
  });
  const curve = await trainAndEvaluate(run, empty, text, settings);
  console.log(`${corpus}: final loss of the source ${curve.at(-1)!.loss.toFixed(4)}`);
  for await (const event of exportRun({ run, out: source, dtype: 'float32' }, neverAborts)) void event;
  return source;
}

async function benchCorpus(corpus: string, text: string): Promise<void> {
  const source = await makeSource(corpus, text);
  const fromSource = (): Promise<string> => Promise.resolve(source);
  await measureStart({ corpus, name: sourceStart, target: sourceTarget, checkpointFor: fromSource, text });
  const { summary } = await openCheckpoint(source);
  const targetsWithRandom = new Set<string>();
  for (const method of methods.values()) {
    const to = doubleSizes(method, summary.dims);
    if (to === null) continue;
    const request = (seed: number) => ({ method: method.id, to, options: {}, seed, dtype: 'keep' as const });
    const checkpointFor = async (seed: number): Promise<string> => {
      const out = join(work, 'grown');
      rmSync(out, { recursive: true, force: true });
      const plan = createSavedPlan(summary, request(seed), null);
      for await (const event of grow({ source, out, plan, device: 'cpu' }, neverAborts)) void event;
      return out;
    };
    const target = JSON.stringify(planGrowth(summary, request(0)).to);
    const start = { corpus, target, checkpointFor, text };
    if (!targetsWithRandom.has(target)) {
      await measureStart({ ...start, name: randomStart, changes: { init: 'random' } });
    }
    targetsWithRandom.add(target);
    await measureStart({ ...start, name: method.id });
  }
}

mkdirSync(work, { recursive: true });
for (const [corpus, text] of Object.entries(corpora())) await benchCorpus(corpus, text);
writeReport(readResults(), { tokens, sourceTokens, learningRates, seeds, docs: join(root, 'docs') });
