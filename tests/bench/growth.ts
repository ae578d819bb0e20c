/**
 * @file `npm run bench:growth`: does growing pay? A small model is trained from scratch on real text, grown
 * ×2 by every method of the registry, and trained beside random weights of the same size
 * and beside itself on the same batches, three seeds each. Every finished run is a line of `results.jsonl` in
 * the bench's folder, so the command goes on where it was stopped; then it writes docs/results.md and its
 * charts.
 */
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
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { randomCheckpoint } from './checkpoint.ts';
import { writeResults, type Result } from './growth-report.ts';

const root = resolve(import.meta.dirname, '../..');
const work = resolve(process.env['CAMBIUM_BENCH_DIR'] ?? join(homedir(), '.cache', 'cambium-bench-growth'));
const file = join(work, 'results.jsonl');
process.env['CAMBIUM_HOME'] = join(work, 'home');
const threads = Number(process.env['CAMBIUM_BENCH_THREADS'] ?? 0);
const quiet = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

/**
 * Tokens of a run, of the source's, per batch row; and what is tried. The learning rate of each start is the
 * best of `rates` on the first seed.
 */
const tokens = 409_600;
const sourceTokens = 2_457_600;
const batch = 16;
const sequence = 128;
const seeds = [0, 1, 2];
const rates = [1e-3, 3e-3];
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 1024,
  hidden_size: 64,
  intermediate_size: 176,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  initializer_range: 0.02,
  torch_dtype: 'float32',
};

/** Shakespeare, where it is at hand; and the manuals that the installed packages bring, each once. */
function corpora(): Readonly<Record<string, string>> {
  const shakespeare = resolve(
    process.env['CAMBIUM_SHAKESPEARE'] ?? join(root, '../shared/data/shakespeare.txt'),
  );
  const manuals = join(work, 'manuals.txt');
  if (!existsSync(manuals)) {
    const seen = new Set<string>();
    const modules = join(root, 'node_modules');
    const texts = readdirSync(modules, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.md$/i.test(path))
      .sort()
      .map((path) => join(modules, path))
      .filter((path) => statSync(path).isFile() && statSync(path).size < 200_000)
      .map((path) => readFileSync(path, 'utf8'))
      .filter((text) => {
        const print = createHash('sha256').update(text).digest('hex');
        const known = seen.has(print);
        seen.add(print);
        return !known;
      });
    writeFileSync(manuals, texts.join('\n\n'));
  }
  return { ...(existsSync(shakespeare) ? { shakespeare } : {}), manuals };
}

const settingsOf = (more: Partial<TrainingSettings>): TrainingSettings => ({
  ...trainingDefaults,
  tokens,
  batch,
  sequence,
  schedule: 'cosine',
  floor: 0.05,
  warmup: 10,
  heldOut: 0.05,
  saveEvery: 0,
  sampleEvery: 0,
  evaluateEvery: 10,
  device: 'cpu',
  threads,
  ...more,
});

/**
 * Trains `checkpoint`; held-out losses over tokens. The run's folder is left for whoever wants to export it.
 */
async function curveOf(
  dir: string,
  checkpoint: string,
  text: string,
  settings: TrainingSettings,
): Promise<Result['curve']> {
  rmSync(dir, { recursive: true, force: true });
  await createRun(dir, { checkpoint, data: [text], name: 'bench', settings });
  const curve: Result['curve'][number][] = [];
  for await (const event of train({ run: dir }, quiet)) {
    if (event.at === 'evaluated') curve.push({ tokens: event.step * batch * sequence, loss: event.loss });
    if (event.at === 'stopped' && event.reason !== 'finished')
      throw new Error(`${dir}: ${JSON.stringify(event)}`);
  }
  return curve;
}

/**
 * What ×2 means for a method: the whole width where it can, else layers (half as many more where seams are
 * trimmed), else what it can; what decides its own sizes is not asked.
 */
function twice(method: GrowthMethod, from: Dims): Dims | null {
  if (method.grows.includes('vocab')) return null; // new tokens never come up in the text
  if (method.complete) return method.grows.includes('layers') ? { layers: 1.5 * from['layers']! } : {};
  const axes = method.grows.includes('hidden')
    ? ['hidden', 'ffn']
    : method.grows.includes('layers')
      ? ['layers']
      : method.grows.includes('ffn')
        ? ['ffn', 'kv_heads']
        : [];
  return axes.length === 0 ? null : Object.fromEntries(axes.map((axis) => [axis, 2 * from[axis]!]));
}

const done = (): Result[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Result)
    : [];

/** One run, unless its line is there already. */
async function measured(
  key: Omit<Result, 'curve' | 'parameters'>,
  checkpoint: string,
  text: string,
  more: Partial<TrainingSettings>,
): Promise<Result> {
  const known = done().find((r) => (Object.keys(key) as (keyof typeof key)[]).every((k) => r[k] === key[k]));
  if (known) return known;
  const curve = await curveOf(
    join(work, 'run'),
    checkpoint,
    text,
    settingsOf({ lr: key.lr, seed: key.seed, ...more }),
  );
  const result: Result = { ...key, parameters: (await openCheckpoint(checkpoint)).card.parameters, curve };
  appendFileSync(file, `${JSON.stringify(result)}\n`);
  console.log(
    `${key.corpus}  ${key.start.padEnd(28)} seed ${key.seed}  lr ${key.lr}  ${curve[0]!.loss.toFixed(3)} → ${curve.at(-1)!.loss.toFixed(3)}`,
  );
  return result;
}

/** One start: the best learning rate on the first seed, then the others with it. */
async function start(
  corpus: string,
  name: string,
  target: string,
  checkpointOf: (seed: number) => Promise<string>,
  text: string,
  more: Partial<TrainingSettings> = {},
): Promise<void> {
  const tried: Result[] = [];
  for (const lr of rates)
    tried.push(
      await measured(
        { corpus, start: name, target, seed: seeds[0]!, lr },
        await checkpointOf(seeds[0]!),
        text,
        more,
      ),
    );
  const best = tried.reduce((a, b) => (b.curve.at(-1)!.loss < a.curve.at(-1)!.loss ? b : a)).lr;
  for (const seed of seeds.slice(1))
    await measured({ corpus, start: name, target, seed, lr: best }, await checkpointOf(seed), text, more);
}

mkdirSync(work, { recursive: true });
for (const [corpus, text] of Object.entries(corpora())) {
  const source = join(work, `source-${corpus}`);
  if (!existsSync(source)) {
    const empty = join(work, `empty-${corpus}`);
    rmSync(empty, { recursive: true, force: true });
    await randomCheckpoint(empty, config, 1e9, join(root, 'resources/demo/seedling'));
    const curve = await curveOf(
      join(work, 'source-run'),
      empty,
      text,
      settingsOf({
        tokens: sourceTokens,
        lr: 4e-3,
        schedule: 'wsd',
        cooldown: 0.3,
        floor: 0.02,
        warmup: 50,
        start: 'random',
        evaluateEvery: 100,
      }),
    );
    console.log(`${corpus}: the source ends at ${curve.at(-1)!.loss.toFixed(4)}`);
    for await (const event of exportRun(
      { run: join(work, 'source-run'), out: source, dtype: 'float32' },
      quiet,
    ))
      void event;
  }
  await start(corpus, 'the source, trained on', 'source', () => Promise.resolve(source), text);
  const { card } = await openCheckpoint(source);
  const targets = new Set<string>();
  for (const method of methods.values()) {
    const to = twice(method, card.dims);
    if (to === null) continue;
    const grown = async (seed: number): Promise<string> => {
      const out = join(work, 'grown');
      rmSync(out, { recursive: true, force: true });
      const plan = planGrowth(card, { method: method.id, to, options: {}, seed, dtype: 'keep' });
      for await (const event of grow({ source, out, plan: plan as never, device: 'cpu' }, quiet)) void event;
      return out;
    };
    const target = JSON.stringify(
      planGrowth(card, { method: method.id, to, options: {}, seed: 0, dtype: 'keep' }).to,
    );
    if (!targets.has(target)) await start(corpus, 'random weights', target, grown, text, { start: 'random' });
    targets.add(target);
    await start(corpus, method.id, target, grown, text);
  }
}
writeResults(done(), { tokens, sourceTokens, rates, seeds, docs: join(root, 'docs') });
