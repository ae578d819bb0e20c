/**
 * @file Compares estimates with measurements on this CPU and writes the table of docs/cost.md: time estimated before
 * the first step and after twenty steps, and peak memory. CAMBIUM_BENCH_CLOCK=cpu measures CPU seconds of one
 * thread, for a machine with other work.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { formatBytes, formatCount } from '../../src-main/base/format.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate } from '../../src-main/cost/estimate.ts';
import type { Measured, Target } from '../../src-main/cost/speed.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';
import { gpt2, llama } from './cases.ts';
import { runChild } from './child.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';

// prettier-ignore
const models: Readonly<Record<string, JsonObject>> = {
  'llama-1M': llama({ hidden: 128, layers: 4, heads: 8, kvHeads: 4, ffn: 344, vocab: 1024, tied: true }),
  'llama-5M': llama({ hidden: 256, layers: 6, heads: 8, kvHeads: 4, ffn: 688, vocab: 4096, tied: true }),
  'gpt2-1M': gpt2(128, 4, 4, 1024),
  'gpt2-6M': gpt2(256, 6, 8, 4096),
};
const contextLengths = [128, 256];
const microBatch = 8;
const usesCpuTime = process.env['CAMBIUM_BENCH_CLOCK'] === 'cpu';
const steps = usesCpuTime ? 26 : 40;
/** Steps after which the estimate is corrected by measurements. */
const measuredSteps = 20;

const here = import.meta.dirname;
const tokenizer = join(here, '../../resources/demo/seedling');
const page = join(here, '../../docs/cost.md');
const tableStart = '<!-- table:begin -->';
const tableEnd = '<!-- table:end -->';

interface RunReport {
  readonly seconds: readonly number[];
  readonly measured: { readonly secondsLeft: number };
  readonly peakBytes: number;
}
/** Seconds and bytes, estimated and actual. */
interface Comparison {
  readonly name: string;
  readonly parameters: number;
  readonly contextLength: number;
  readonly secondsBefore: number;
  readonly secondsAfter: number;
  readonly seconds: number;
  readonly memoryEstimate: number;
  readonly memory: number;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function measure<T>(scratch: string, target: string): T {
  const args = [join(here, 'measure-run.ts'), target, ...(usesCpuTime ? ['cpu'] : [])];
  return runChild<T>(process.execPath, args, { CAMBIUM_HOME: join(scratch, 'home') });
}

async function compare(
  scratch: string,
  text: string,
  name: string,
  config: JsonObject,
  contextLength: number,
): Promise<Comparison> {
  const checkpoint = join(scratch, `${name}-${contextLength}`);
  await writeRandomCheckpoint(checkpoint, config);
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(join(tokenizer, file), join(checkpoint, file));
  }
  const { summary } = await openCheckpoint(checkpoint);
  const settings: TrainingSettings = {
    ...trainingDefaults,
    microBatch,
    contextLength,
    tokens: steps * microBatch * contextLength,
    saveEvery: 0,
    sampleEvery: 0,
    evaluateEvery: 0,
    device: 'cpu',
    lr: 1e-3,
    threads: usesCpuTime ? 1 : 0,
  };
  const speed = measure<Measured>(scratch, 'SPEED');
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
  const [estimated] = estimate({
    subject: summary,
    training: settings,
    targets: [target],
    book: { devices: [], prices: [] },
    assumptions: assumptionDefaults,
  }).here;
  const run = `${checkpoint}-run`;
  await createRun(run, { checkpoint, data: [text], settings, name });
  const report = measure<RunReport>(scratch, run);
  const parts = estimated!.memory.parts.map(({ what, bytes }) => `${what} ${formatBytes(bytes)}`);
  console.log(`${name}, context length ${contextLength}: ${parts.join(', ')}`);
  return {
    name,
    parameters: summary.parameters,
    contextLength,
    secondsBefore: estimated!.step!.seconds * steps,
    secondsAfter: sum(report.seconds.slice(0, measuredSteps)) + report.measured.secondsLeft,
    seconds: sum(report.seconds),
    memoryEstimate: estimated!.memory.total.likely,
    memory: report.peakBytes,
  };
}

function formatError(estimated: number, actual: number): string {
  const percent = 100 * (estimated / actual - 1);
  return `${percent >= 0 ? '+' : '−'}${Math.abs(percent).toFixed(0)} %`;
}

function formatRow(c: Comparison): string {
  const seconds = (value: number): string => `${value.toFixed(1)} s`;
  const cells = [
    c.name,
    formatCount(c.parameters),
    `${microBatch} × ${c.contextLength}`,
    seconds(c.secondsBefore),
    seconds(c.secondsAfter),
    seconds(c.seconds),
    formatError(c.secondsBefore, c.seconds),
    formatError(c.secondsAfter, c.seconds),
    formatBytes(c.memoryEstimate),
    formatBytes(c.memory),
    formatError(c.memoryEstimate, c.memory),
  ];
  return `| ${cells.join(' | ')} |`;
}

function formatTable(comparisons: readonly Comparison[], load: number): string {
  const columns = [
    'model',
    'parameters',
    'micro-batch × context length',
    'estimate before the first step',
    'estimate after 20 steps',
    'actual time',
    'error before',
    'error after',
    'estimated memory',
    'actual memory',
    'error',
  ];
  const largestError = (estimateOf: (c: Comparison) => number, actualOf: (c: Comparison) => number): string =>
    `${(100 * Math.max(...comparisons.map((c) => Math.abs(estimateOf(c) / actualOf(c) - 1)))).toFixed(0)} %`;
  const before = largestError(
    (c) => c.secondsBefore,
    (c) => c.seconds,
  );
  const after = largestError(
    (c) => c.secondsAfter,
    (c) => c.seconds,
  );
  const memory = largestError(
    (c) => c.memoryEstimate,
    (c) => c.memory,
  );
  const date = new Date().toISOString().slice(0, 10);
  const clock = usesCpuTime ? ' Times are CPU seconds of one thread, because the machine was busy.' : '';
  return [
    `| ${columns.join(' | ')} |`,
    `|${'---|'.repeat(columns.length)}`,
    ...comparisons.map(formatRow),
    '',
    `Largest error: time ${before} before the first step and ${after} after 20 steps, memory ${memory}. ` +
      `${steps} steps each, ${date}, load average ${load.toFixed(1)} at the start.${clock}`,
  ].join('\n');
}

/** Replaces the table between the marks in docs/cost.md. */
function writeTable(table: string): void {
  const text = readFileSync(page, 'utf8');
  const before = text.slice(0, text.indexOf(tableStart) + tableStart.length);
  const after = text.slice(text.indexOf(tableEnd));
  writeFileSync(page, `${before}\n\n${table}\n${after}`);
}

export async function benchEstimates(scratch: string): Promise<void> {
  const text = join(scratch, 'text.txt');
  writeFileSync(text, toyCorpus(3_000_000));
  const load = loadavg()[0]!;
  const comparisons: Comparison[] = [];
  for (const [name, config] of Object.entries(models)) {
    for (const contextLength of contextLengths) {
      const comparison = await compare(scratch, text, name, config, contextLength);
      comparisons.push(comparison);
      console.log(formatRow(comparison));
    }
  }
  const table = formatTable(comparisons, load);
  writeTable(table);
  console.log(`\n${table.split('\n').at(-1)!}`);
}
