/**
 * @file The training benchmark: Cambium and PyTorch on the same batches, on the CPU and, if there is one, on a CUDA
 * GPU. `npm run bench:train -- [--case NAME] [--rounds 3] [--cpu-seconds]`; the last flag measures CPU time of one
 * thread, which other work on the machine disturbs less.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerAt } from '../../src-main/base/random.ts';
import { factsOf, type DeviceBook } from '../../src-main/cost/book.ts';
import { modelFlopsPerToken } from '../../src-main/cost/flops.ts';
import { listDevices } from '../../src-main/engine/device/devices.ts';
import { findPython } from '../parity/python.ts';
import { subjectOf } from '../cost/subjects.ts';
import { cpuTrainCases, gpuTrainCases, type TrainCase } from './cases.ts';
import { medianOf, runChild } from './child.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';

export interface Measurement {
  readonly tokensPerSecond: number;
  readonly cpuSecondsPerStep: number;
  readonly peakBytes: number;
  readonly losses: readonly number[];
}
export interface TrainingBench {
  readonly scratch: string;
  /** The name of the only case to run. */
  readonly only?: string | undefined;
  readonly rounds: number;
  readonly usesCpuTime: boolean;
}
export interface DeviceCase extends TrainCase {
  readonly device: 'cpu' | 'cuda';
  readonly precision: 'float32' | 'bfloat16';
}
export const sides = ['Cambium', 'eager', 'torch.compile'] as const;
export type Side = (typeof sides)[number];

const here = import.meta.dirname;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** Share of a GPU's peak FLOP/s that a token rate needs. */
export const utilization = (
  { config, contextLength }: TrainCase,
  tokensPerSecond: number,
  peak: number,
): number => (tokensPerSecond * modelFlopsPerToken(subjectOf(config), contextLength)) / peak;

/** Writes the tokens of all steps: little-endian int32, low ids more often than high ones. */
function writeTokens(path: string, { config, microBatch, contextLength, steps }: TrainCase): void {
  const vocab = Number(config['vocab_size']);
  const count = { length: steps * microBatch * (contextLength + 1) };
  const tokens = Int32Array.from(count, (_, i) => Math.floor(integerAt(7, i, vocab) ** 2 / vocab));
  writeFileSync(path, tokens);
}

/**
 * One process for each side and round; the sides take turns, so that a drifting machine treats them alike. Without
 * a Python, PyTorch's sides have no measurements.
 */
export async function measureCase(
  bench: Pick<TrainingBench, 'scratch' | 'rounds'>,
  trainCase: DeviceCase,
  threads: number,
  python: string | undefined,
): Promise<Readonly<Record<Side, Measurement[]>>> {
  const { name, config, microBatch, contextLength, steps, device, precision } = trainCase;
  const checkpoint = join(bench.scratch, name);
  const tokens = join(bench.scratch, `${name}.tokens`);
  await writeRandomCheckpoint(checkpoint, config);
  writeTokens(tokens, trainCase);

  const numbers = [microBatch, contextLength, steps, threads].map(String) as [string, string, string, string];
  const ownArgs = [join(here, 'measure-training.ts'), checkpoint, tokens, ...numbers, device, precision];
  const peerArgs = [
    join(here, 'peers/train_peer.py'),
    ...['--checkpoint', checkpoint, '--tokens', tokens],
    ...['--batch-size', numbers[0], '--context-length', numbers[1], '--steps', numbers[2]],
    ...['--threads', numbers[3], '--device', device, '--precision', precision],
  ];
  const measure: Readonly<Record<Side, () => Measurement>> = {
    Cambium: () => runChild(process.execPath, ownArgs),
    eager: () => runChild(python!, [...peerArgs, '--mode', 'eager']),
    'torch.compile': () => runChild(python!, [...peerArgs, '--mode', 'compile']),
  };
  const measurements: Record<Side, Measurement[]> = { Cambium: [], eager: [], 'torch.compile': [] };
  for (let round = 0; round < bench.rounds; round++) {
    for (const side of python === undefined ? (['Cambium'] as const) : sides)
      measurements[side].push(measure[side]());
  }
  rmSync(checkpoint, { recursive: true });
  return measurements;
}

/** `peak`: FLOP/s of the GPU. */
function printCase(
  trainCase: DeviceCase,
  measurements: Readonly<Record<Side, readonly Measurement[]>>,
  usesCpuTime: boolean,
  peak: number | undefined,
): void {
  const valueOf = (m: Measurement): number => (usesCpuTime ? m.cpuSecondsPerStep : m.tokensPerSecond);
  const median = (side: Side): number => medianOf(measurements[side].map(valueOf));
  const columns = sides.map((side) => {
    const details = [megabytes(medianOf(measurements[side].map((m) => m.peakBytes)))];
    if (peak !== undefined && trainCase.device === 'cuda') {
      details.push(`${(100 * utilization(trainCase, median(side), peak)).toFixed(0)} % of peak`);
    }
    return `${side} ${median(side).toFixed(usesCpuTime ? 3 : 0)} (${details.join(', ')})`;
  });
  const speedup = (side: Side): string => {
    const ratio = usesCpuTime ? median(side) / median('Cambium') : median('Cambium') / median(side);
    return `× ${ratio.toFixed(2)} ${side}`;
  };
  const eagerLosses = measurements.eager[0]!.losses;
  const lossErrors = measurements.Cambium[0]!.losses.map((loss, i) => Math.abs(loss / eagerLosses[i]! - 1));
  columns.push(`${speedup('eager')}, ${speedup('torch.compile')}`);
  columns.push(`losses agree to ${Math.max(...lossErrors).toExponential(1)}`);
  console.log(`${trainCase.name.padEnd(12)} ${columns.join('  ')}`);
}

export async function benchTraining(bench: TrainingBench): Promise<void> {
  const gpu = (await listDevices()).find((device) => device.id === 'cuda' && device.available);
  const bookFile = join(here, '../../resources/devices.json');
  const book = JSON.parse(readFileSync(bookFile, 'utf8')) as DeviceBook;
  const peak = gpu && factsOf(book, gpu.name)?.peaks.bfloat16;
  const threads = bench.usesCpuTime ? 1 : cpus().length;
  const python = findPython();
  const cases: readonly DeviceCase[] = [
    ...cpuTrainCases.map((one) => ({ ...one, device: 'cpu' as const, precision: 'float32' as const })),
    ...(gpu ? gpuTrainCases : []).map((one) => ({
      ...one,
      device: 'cuda' as const,
      precision: 'bfloat16' as const,
    })),
  ];
  const unit = bench.usesCpuTime ? 'CPU seconds per step' : 'tokens per second';
  console.log(
    `\nTraining by AdamW, ${threads} threads${gpu ? `, ${gpu.name}` : ''}: ${unit} (median of ${bench.rounds} ` +
      'processes without their first steps)',
  );
  for (const trainCase of cases) {
    if (bench.only !== undefined && trainCase.name !== bench.only) continue;
    printCase(trainCase, await measureCase(bench, trainCase, threads, python), bench.usesCpuTime, peak);
  }
}

if (process.argv[1] === import.meta.filename) {
  const option = (name: string): string | undefined => {
    const index = process.argv.indexOf(`--${name}`);
    return index < 0 ? undefined : process.argv[index + 1];
  };
  const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-'));
  try {
    await benchTraining({
      scratch,
      only: option('case'),
      rounds: Number(option('rounds') ?? 3),
      usesCpuTime: process.argv.includes('--cpu-seconds'),
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
