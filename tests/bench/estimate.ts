/** @file Estimates beside what came, for jobs on this processor: two families, two sizes, two sequence lengths; time before the first step and after twenty, memory at its worst. Every run is a process of its own.
 *  CAMBIUM_BENCH_CLOCK=cpu counts processor seconds of one thread, for a machine on which others work. */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../src-main/base/json.ts';
import { showBytes, showCount } from '../../src-main/base/units.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate } from '../../src-main/cost/estimate.ts';
import type { Measured, Target } from '../../src-main/cost/speed.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { llama } from './cases.ts';
import { randomCheckpoint } from './checkpoint.ts';

const gpt2 = (hidden: number, layers: number, heads: number, vocab: number): JsonObject => ({
  architectures: ['GPT2LMHeadModel'],
  model_type: 'gpt2',
  vocab_size: vocab,
  n_positions: 1024,
  n_embd: hidden,
  n_head: heads,
  n_layer: layers,
  n_inner: null,
  layer_norm_epsilon: 1e-5,
  activation_function: 'gelu_new',
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  initializer_range: 0.02,
  torch_dtype: 'float32',
});
const models: Readonly<Record<string, JsonObject>> = {
  'llama-1M': llama(128, 4, 8, 4, 344, 1024, true),
  'llama-5M': llama(256, 6, 8, 4, 688, 4096, true),
  'gpt2-1M': gpt2(128, 4, 4, 1024),
  'gpt2-6M': gpt2(256, 6, 8, 4096),
};
const sequences = [128, 256];
const settled = 20;
const cpu = process.env['CAMBIUM_BENCH_CLOCK'] === 'cpu';
const steps = cpu ? 26 : 40;

const tokenizer = join(import.meta.dirname, '../../resources/demo/seedling');
const begin = '<!-- table:begin -->';
const end = '<!-- table:end -->';
const percent = (estimated: number, measured: number): string => {
  const d = 100 * (estimated / measured - 1);
  return `${d >= 0 ? '+' : '−'}${Math.abs(d).toFixed(0)} %`;
};

/** Runs every job and writes the table into docs/cost.md; answers the worst misses. */
export async function estimates(scratch: string): Promise<void> {
  const measured = <T>(argument: string): T => {
    const done = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'estimate-ours.ts'), argument, ...(cpu ? ['cpu'] : [])],
      { encoding: 'utf8', maxBuffer: 2 ** 26, env: { ...process.env, CAMBIUM_HOME: join(scratch, 'home') } },
    );
    if (done.status !== 0) throw new Error(`${argument}:\n${done.stderr.slice(-2000)}`);
    return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as T;
  };
  const text = join(scratch, 'text.txt');
  writeFileSync(text, toyCorpus(3_000_000));
  const rows: string[] = [];
  const worst = { before: 0, after: 0, memory: 0 };
  const load = loadavg()[0]!;
  for (const [name, config] of Object.entries(models))
    for (const sequence of sequences) {
      const dir = join(scratch, `${name}-${sequence}`);
      await randomCheckpoint(dir, config);
      for (const file of ['tokenizer.json', 'tokenizer_config.json'])
        cpSync(join(tokenizer, file), join(dir, file));
      const { card } = await openCheckpoint(dir);
      const training = {
        ...trainingDefaults,
        batch: 8,
        sequence,
        tokens: steps * 8 * sequence,
        saveEvery: 0,
        sampleEvery: 0,
        evaluateEvery: 0,
        device: 'cpu' as const,
        lr: 1e-3,
        threads: cpu ? 1 : 0,
      };
      const speed = measured<Measured>('SPEED');
      const target: Target = {
        id: 'cpu',
        name: 'cpu',
        kind: 'cpu',
        here: true,
        cores: speed.threads,
        memory: totalmem(),
        measured: speed,
        past: [],
      };
      const told = estimate({
        subject: card,
        training,
        targets: [target],
        book: { devices: [], prices: [] },
        assumptions: assumptionDefaults,
      }).here[0]!;
      const run = `${dir}-run`;
      await createRun(run, { checkpoint: dir, data: [text], settings: training, name });
      const came = measured<{
        seconds: readonly number[];
        measured: { stepSeconds: number; secondsLeft: number };
        peakBytes: number;
      }>(run);
      const total = came.seconds.reduce((a, b) => a + b, 0);
      const before = told.step!.seconds * steps;
      const after = came.seconds.slice(0, settled).reduce((a, b) => a + b, 0) + came.measured.secondsLeft;
      const memory = told.memory.total.likely;
      worst.before = Math.max(worst.before, Math.abs(before / total - 1));
      worst.after = Math.max(worst.after, Math.abs(after / total - 1));
      worst.memory = Math.max(worst.memory, Math.abs(memory / came.peakBytes - 1));
      rows.push(
        `| ${name} | ${showCount(card.parameters)} | 8 × ${sequence} | ${before.toFixed(1)} s | ${after.toFixed(1)} s | ${total.toFixed(1)} s | ${percent(before, total)} | ${percent(after, total)} | ${showBytes(memory)} | ${showBytes(came.peakBytes)} | ${percent(memory, came.peakBytes)} |`,
      );
      console.log(rows.at(-1)!, told.memory.parts.map((p) => `${p.what} ${showBytes(p.bytes)}`).join(', '));
    }
  const table = [
    '| model | parameters | batch × sequence | before the first step | after 20 steps | came | before | after | memory told | came | |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `Worst: time ${(100 * worst.before).toFixed(0)} % before the first step and ${(100 * worst.after).toFixed(0)} % after 20, memory ${(100 * worst.memory).toFixed(0)} %. ${steps} steps each, ${new Date().toISOString().slice(0, 10)}, load of the machine at the start ${load.toFixed(1)}${cpu ? '; times are processor seconds of one thread, because the machine was busy' : ''}.`,
  ].join('\n');
  const page = join(import.meta.dirname, '../../docs/cost.md');
  const before = readFileSync(page, 'utf8');
  const from = before.indexOf(begin);
  const until = before.indexOf(end);
  writeFileSync(page, `${before.slice(0, from + begin.length)}\n${table}\n${before.slice(until)}`);
  console.log(`\n${table.split('\n').at(-1)!}`);
}
