/**
 * @file Training beside PyTorch's on the same batches: `npm run bench:train` (`-- --cpu-seconds` counts
 * processor time of one thread, which other work on the machine disturbs less; `--case NAME`, `--rounds 3`).
 * On CUDA where there is a GPU.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerAt } from '../../src-main/base/random.ts';
import { factsOf, type DeviceBook } from '../../src-main/cost/book.ts';
import { listDevices } from '../../src-main/engine/device/devices.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parameterCount } from '../../src-main/model/parameters.ts';
import { python } from '../parity/python.ts';
import { cudaCases, trainCases, type TrainCase } from './cases.ts';
import { randomCheckpoint } from './checkpoint.ts';

const here = import.meta.dirname;
export interface Measured {
  readonly tokensPerSecond: number;
  readonly cpuSecondsPerStep: number;
  readonly peakBytes: number;
  readonly losses: readonly number[];
}
export interface TrainingBench {
  readonly scratch: string;
  readonly only?: string | undefined;
  readonly rounds: number;
  readonly cpuSeconds: boolean;
}

/** The JSON object that a process prints last. */
function measured(command: string, args: readonly string[]): Measured {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...process.env, TOKENIZERS_PARALLELISM: 'false' },
  });
  if (done.status !== 0) throw new Error(`${command} ${args[0]!} failed:\n${done.stderr.slice(-2000)}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Measured;
}
const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/**
 * The share of a GPU's peak that products make up: 6 N + 12 layers × hidden × sequence operations a token.
 */
function utilisation({ config, sequence }: TrainCase, tokensPerSecond: number, peak: number): number {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const n = parameterCount(family, dims, settingsOf(family, config));
  return (tokensPerSecond * (6 * n + 12 * dims['layers']! * dims['hidden']! * sequence)) / peak;
}

/**
 * Every figure is a process of its own; the sides take turns, so that a machine whose speed drifts treats
 * them alike; medians.
 */
export async function trainings({ scratch, only, rounds, cpuSeconds }: TrainingBench): Promise<void> {
  const gpu = (await listDevices()).find((d) => d.id === 'cuda' && d.available);
  const threads = cpuSeconds ? 1 : cpus().length;
  const interpreter = python();
  const peak =
    gpu &&
    factsOf(
      JSON.parse(readFileSync(join(here, '../../resources/devices.json'), 'utf8')) as DeviceBook,
      gpu.name,
    )?.peaks.bfloat16;
  const all = [
    ...trainCases.map((c) => ({ ...c, device: 'cpu', precision: 'float32' })),
    ...(gpu ? cudaCases : []).map((c) => ({ ...c, device: 'cuda', precision: 'bfloat16' })),
  ];
  console.log(
    `\nTraining, ${threads} threads${gpu ? `, ${gpu.name}` : ''}, AdamW: ${cpuSeconds ? 'processor seconds a step' : 'tokens per second'} (median of ${rounds} processes, first steps left out)`,
  );
  for (const c of all.filter(({ name }) => only === undefined || name === only)) {
    const { name, config, batch, sequence, steps, device, precision } = c;
    const dir = join(scratch, name);
    const tokens = join(scratch, `${name}.tokens`);
    const vocab = Number(config['vocab_size']);
    await randomCheckpoint(dir, config);
    writeFileSync(
      tokens,
      Int32Array.from({ length: steps * batch * (sequence + 1) }, (_, i) =>
        Math.floor(integerAt(7, i, vocab) ** 2 / vocab),
      ),
    );
    const numbers = { batch, sequence, steps, threads };
    const named = Object.entries(numbers).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const peer = (mode: string) => (): Measured =>
      measured(interpreter, [
        join(here, 'peers/train_peer.py'),
        '--checkpoint',
        dir,
        '--tokens',
        tokens,
        ...named,
        '--mode',
        mode,
        '--device',
        device,
        '--precision',
        precision,
      ]);
    const sides = {
      ours: (): Measured =>
        measured(process.execPath, [
          join(here, 'train-ours.ts'),
          dir,
          tokens,
          ...Object.values(numbers).map(String),
          device,
          precision,
        ]),
      eager: peer('eager'),
      compiled: peer('compile'),
    };
    const runs: Record<keyof typeof sides, Measured[]> = { ours: [], eager: [], compiled: [] };
    for (let round = 0; round < rounds; round++)
      for (const side of Object.keys(sides) as (keyof typeof sides)[]) runs[side].push(sides[side]());
    const value = (m: Measured): number => (cpuSeconds ? m.cpuSecondsPerStep : m.tokensPerSecond);
    const of = (side: keyof typeof sides): number => middle(runs[side].map(value));
    const told = (side: keyof typeof sides): string =>
      `${of(side).toFixed(cpuSeconds ? 3 : 0)} (${MB(middle(runs[side].map((m) => m.peakBytes)))}${peak && device === 'cuda' ? `, ${(100 * utilisation(c, of(side), peak)).toFixed(0)} % of peak` : ''})`;
    const times = (side: keyof typeof sides): string =>
      `× ${(cpuSeconds ? of(side) / of('ours') : of('ours') / of(side)).toFixed(2)}`;
    const worst = Math.max(
      ...runs.ours[0]!.losses.map((loss, i) => Math.abs(loss / runs.eager[0]!.losses[i]! - 1)),
    );
    console.log(
      `${name.padEnd(12)} ours ${told('ours')}  eager ${told('eager')}  torch.compile ${told('compiled')}  ${times('eager')} eager, ${times('compiled')} compiled; losses agree to ${worst.toExponential(1)}`,
    );
    rmSync(dir, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const option = (name: string): string | undefined => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-'));
  try {
    await trainings({
      scratch,
      only: option('case'),
      rounds: Number(option('rounds') ?? 3),
      cpuSeconds: process.argv.includes('--cpu-seconds'),
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
