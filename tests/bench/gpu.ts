/**
 * @file Everything that has to be measured on a CUDA GPU, in one command: `npm run bench:gpu -- [--only
 * suite,train,grow] [--case 124M] [--rounds 1] [--out gpu-bench.json] [--write-docs]`. It runs the GPU suite, trains
 * beside PyTorch on the same batches, grows a model on the GPU, and fits the efficiencies of the roofline. PyTorch
 * comes from CAMBIUM_PYTHON; without one that reaches the GPU, the report says so.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { factsOf, type DeviceBook, type DeviceFacts } from '../../src-main/cost/book.ts';
import { listDevices } from '../../src-main/engine/device/devices.ts';
import { gpuTrainCases, llama, type TrainCase } from './cases.ts';
import { bundleScripts } from './bundle.ts';
import { medianOf, runChild } from './child.ts';
import { fitEfficiency, type MeasuredStep, type RooflineFit } from './fit-roofline.ts';
import type { Usage } from './measure-usage.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';
import { measureCase, sides, utilization, type Measurement, type Side } from './train.ts';

const here = import.meta.dirname;
const root = join(here, '../..');
const parts = ['suite', 'train', 'grow'] as const;
type Part = (typeof parts)[number];

interface SideReport {
  readonly tokensPerSecond: number;
  /** Model FLOPs utilization; null if the peak of the device is unknown. */
  readonly mfu: number | null;
  readonly peakBytes: number;
  readonly losses: readonly number[];
}
interface CaseReport {
  readonly name: string;
  readonly microBatch: number;
  readonly contextLength: number;
  readonly sides: Readonly<Partial<Record<Side, SideReport>>>;
  /** Largest relative difference from the losses of PyTorch in eager mode. */
  readonly lossDifference: number | null;
}
interface GpuReport {
  readonly time: string;
  readonly device: string;
  readonly node: string;
  /** Why PyTorch was not measured; absent if it was. */
  readonly noTorch?: string;
  readonly suite?: { readonly passed: boolean };
  readonly training?: readonly CaseReport[];
  readonly growth?: { readonly name: string; readonly seconds: number; readonly peakBytes: number };
  readonly roofline?: RooflineFit;
}

/** Why a Python cannot train on the GPU; undefined if it can. */
function torchProblem(python: string | undefined): string | undefined {
  if (python === undefined) return 'CAMBIUM_PYTHON is not set';
  const check = 'import numpy, torch, transformers; assert torch.cuda.is_available(), "no CUDA device"';
  const { status, stderr, error } = spawnSync(python, ['-c', check], {
    encoding: 'utf8',
    timeout: 180_000,
  });
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim().split('\n').at(-1)!;
}

function sideReport(trainCase: TrainCase, measured: readonly Measurement[], peak?: number): SideReport {
  const tokensPerSecond = medianOf(measured.map((m) => m.tokensPerSecond));
  return {
    tokensPerSecond,
    mfu: peak === undefined ? null : utilization(trainCase, tokensPerSecond, peak),
    peakBytes: medianOf(measured.map((m) => m.peakBytes)),
    losses: measured[0]!.losses,
  };
}

async function trainOne(
  trainCase: TrainCase,
  { scratch, rounds, python, facts }: Context,
): Promise<CaseReport> {
  const deviceCase = { ...trainCase, device: 'cuda', precision: 'bfloat16' } as const;
  const measured = await measureCase({ scratch, rounds }, deviceCase, 1, python);
  const reports = sides
    .filter((side) => measured[side].length > 0)
    .map((side) => [side, sideReport(trainCase, measured[side], facts?.peaks.bfloat16)] as const);
  const found: Partial<Record<Side, SideReport>> = Object.fromEntries(reports);
  const own = found.Cambium!.losses;
  const eager = found.eager?.losses;
  const { name, microBatch, contextLength } = trainCase;
  return {
    name,
    microBatch,
    contextLength,
    sides: found,
    lossDifference: eager ? Math.max(...own.map((loss, i) => Math.abs(loss / eager[i]! - 1))) : null,
  };
}

/** 1.1 billion parameters, grown to twice the width. */
const growConfig = gpuTrainCases.find(({ name }) => name === '1.1B')!.config;
const smallGrowConfig = llama({
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  ffn: 128,
  vocab: 256,
  tied: true,
});

async function growOnGpu({ scratch, isSmall }: Context): Promise<NonNullable<GpuReport['growth']>> {
  const scripts = await bundleScripts({
    'measure-growth': join(here, 'measure-growth.ts'),
    'row-worker': join(root, 'src-main/engine/grow/row-worker.ts'),
  });
  const source = join(scratch, 'source');
  const out = join(scratch, 'grown');
  await writeRandomCheckpoint(source, isSmall ? smallGrowConfig : growConfig, 2e9);
  const args = [join(scripts, 'measure-growth.js'), source, out, 'none', 'cuda'];
  const { seconds, peakBytes } = runChild<Usage>(process.execPath, args);
  rmSync(source, { recursive: true });
  rmSync(out, { recursive: true });
  return { name: isSmall ? 'a tiny model ×2' : '1.1 B ×2 wider', seconds, peakBytes };
}

/** What all parts need. */
interface Context {
  readonly scratch: string;
  readonly rounds: number;
  readonly python: string | undefined;
  readonly facts: DeviceFacts | undefined;
  /** Tiny models, to try the command itself. */
  readonly isSmall: boolean;
}

const smallCase: TrainCase = {
  name: 'small',
  config: smallGrowConfig,
  microBatch: 2,
  contextLength: 64,
  steps: 5,
};

/** The measured steps of the cases, for the roofline. */
const stepsOf = (training: readonly CaseReport[]): readonly MeasuredStep[] =>
  training.flatMap(({ name, microBatch, contextLength, sides: { Cambium } }) => {
    const trainCase = gpuTrainCases.find((one) => one.name === name);
    if (!trainCase || !Cambium) return [];
    const seconds = (microBatch * contextLength) / Cambium.tokensPerSecond;
    return [{ name, config: trainCase.config, microBatch, contextLength, seconds }];
  });

const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`);

/** The table of docs/benchmarks.md. */
function toTable({ training = [], device, time, noTorch, growth, roofline, suite }: GpuReport): string {
  const cell = (report: SideReport | undefined): string =>
    report
      ? `${report.tokensPerSecond.toFixed(0)} (${percent(report.mfu)}, ${(report.peakBytes / 1e9).toFixed(1)} GB)`
      : 'not measured';
  const rows = training.map(({ name, microBatch, contextLength, sides: of, lossDifference }) => {
    const losses = lossDifference === null ? '–' : lossDifference.toExponential(1);
    const cells = [
      `${name}, ${microBatch} × ${contextLength}`,
      ...sides.map((side) => cell(of[side])),
      losses,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const notes = [
    noTorch === undefined ? [] : [`PyTorch was not measured: ${noTorch}.`],
    suite ? [`The GPU suite ${suite.passed ? 'passed' : 'failed'}.`] : [],
    growth ? [`Growing ${growth.name}: ${growth.seconds.toFixed(1)} s.`] : [],
    roofline
      ? [
          `Fitted efficiencies of the roofline: products ${percent(roofline.products)}, streams ` +
            `${percent(roofline.streams)}; the steps are within ${percent(roofline.worst)} of it.`,
        ]
      : [],
  ].flat();
  return [
    `${device}, ${time.slice(0, 10)}. Tokens per second (MFU, memory), and the largest difference of a loss.`,
    '',
    '| model, batch | Cambium | PyTorch eager | torch.compile | losses |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    notes.join(' '),
  ].join('\n');
}

const markers = ['<!-- bench:gpu -->', '<!-- /bench:gpu -->'] as const;

/** Writes the table between the markers of docs/benchmarks.md. */
function writeDocs(table: string): void {
  const file = join(root, 'docs/benchmarks.md');
  const text = readFileSync(file, 'utf8');
  const [start, end] = markers.map((marker) => text.indexOf(marker)) as [number, number];
  if (start < 0 || end < start) throw new Error(`${file} lacks ${markers.join(' … ')}`);
  writeFileSync(file, `${text.slice(0, start + markers[0].length)}\n\n${table}\n\n${text.slice(end)}`);
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: parts.join(',') },
      case: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      out: { type: 'string', default: 'gpu-bench.json' },
      small: { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
    },
  });
  const includes = (part: Part): boolean => values.only.split(',').includes(part);
  const gpu = (await listDevices()).find((device) => device.id === 'cuda')!;
  if (!gpu.available) throw new Error(`No CUDA device: ${gpu.why ?? 'unknown reason'}`);
  const book = JSON.parse(readFileSync(join(root, 'resources/devices.json'), 'utf8')) as DeviceBook;
  const noTorch = torchProblem(process.env['CAMBIUM_PYTHON']);
  const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-'));
  const context: Context = {
    scratch,
    rounds: Number(values.rounds),
    python: noTorch === undefined ? process.env['CAMBIUM_PYTHON'] : undefined,
    facts: factsOf(book, gpu.name),
    isSmall: values.small,
  };
  let report: GpuReport = {
    time: new Date().toISOString(),
    device: gpu.name,
    node: process.version,
    ...(noTorch === undefined ? {} : { noTorch }),
  };
  // After every part: what was measured is kept if a later part fails.
  const save = (more: Partial<GpuReport>): void => {
    report = { ...report, ...more };
    writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
  };
  console.log(`${gpu.name}${noTorch === undefined ? '' : `; PyTorch is not measured: ${noTorch}`}`);
  try {
    if (includes('suite')) {
      const args = ['run', '--project', 'gpu'];
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const { status } = spawnSync(process.execPath, [vitest, ...args], { cwd: root, stdio: 'inherit' });
      save({ suite: { passed: status === 0 } });
    }
    if (includes('train')) {
      const all = context.isSmall ? [smallCase] : gpuTrainCases;
      const training: CaseReport[] = [];
      for (const trainCase of all.filter(({ name }) => !values.case || name === values.case)) {
        training.push(await trainOne(trainCase, context));
        save({ training });
      }
      const steps = stepsOf(training);
      if (steps.length > 0 && context.facts) save({ roofline: fitEfficiency(steps, context.facts) });
    }
    if (includes('grow')) save({ growth: await growOnGpu(context) });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const table = toTable(report);
  console.log(`\n${table}\n\nwritten to ${values.out}`);
  if (values['write-docs']) writeDocs(table);
  if (report.suite?.passed === false) process.exitCode = 1;
}

await run();
