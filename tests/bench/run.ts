/** @file `npm run bench [train|grow|estimate]`: our training beside PyTorch's on the same batches, growth beside the disk and the usual way in PyTorch (`grow --size 1` or `4`: GB of the source). Every figure is a process of its own. */
import { spawnSync } from 'node:child_process';
import { cpus, tmpdir } from 'node:os';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { integerAt } from '../../src-main/base/random.ts';
import { randomCheckpoint } from './checkpoint.ts';
import { growCases, trainCases } from './cases.ts';
import { estimates } from './estimate.ts';
import { growths } from './grow.ts';
import { benchRuns } from './runs.ts';
import { python as findPython } from '../parity/python.ts';

const here = import.meta.dirname, scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-')), only = process.argv[2], threads = cpus().length;
let found: string | undefined;
/** Only the comparisons with PyTorch need one. */
const python = (): string => (found ??= findPython());

interface Measured { readonly tokensPerSecond?: number; readonly seconds?: number; readonly peakBytes: number; readonly losses?: readonly number[] }

/** The JSON object that a process prints last. */
function measured(command: string, args: readonly string[]): Measured {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26, env: { ...process.env, TOKENIZERS_PARALLELISM: 'false' } });
  if (done.status !== 0) throw new Error(`${command} ${args[0]!} failed:\n${done.stderr.slice(-2000)}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Measured;
}
const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Three rounds, the sides taking turns, so that a machine whose speed drifts treats them alike; medians. */
function turns(sides: Readonly<Record<string, () => Measured>>, value: (m: Measured) => number): Readonly<Record<string, { readonly value: number; readonly peakBytes: number; readonly losses?: readonly number[] }>> {
  const all: Record<string, Measured[]> = {};
  for (let round = 0; round < 3; round++) for (const [name, run] of Object.entries(sides)) (all[name] ??= []).push(run());
  return Object.fromEntries(Object.entries(all).map(([name, runs]) => [name, { value: middle(runs.map(value)), peakBytes: middle(runs.map((r) => r.peakBytes)), ...(runs[0]!.losses ? { losses: runs[0]!.losses } : {}) }]));
}

async function train(): Promise<void> {
  console.log(`\nTraining, ${threads} threads, float32, AdamW: tokens per second (median of 3 processes, first steps left out)`);
  for (const { name, config, batch, sequence, steps } of trainCases) {
    const dir = join(scratch, name), tokens = join(scratch, `${name}.tokens`), vocab = Number(config['vocab_size']);
    await randomCheckpoint(dir, config);
    writeFileSync(tokens, Int32Array.from({ length: steps * batch * (sequence + 1) }, (_, i) => Math.floor(integerAt(7, i, vocab) ** 2 / vocab)));
    const peer = (mode: string) => (): Measured => measured(python(), [join(here, 'peers/train_peer.py'), '--checkpoint', dir, '--tokens', tokens, '--batch', String(batch), '--sequence', String(sequence), '--steps', String(steps), '--threads', String(threads), '--mode', mode]);
    const found = turns({ ours: () => measured(process.execPath, [join(here, 'train-ours.ts'), dir, tokens, ...[batch, sequence, steps, threads].map(String)]), eager: peer('eager'), compile: peer('compile') }, (m) => m.tokensPerSecond!);
    const { ours, eager, compile } = found as Record<'ours' | 'eager' | 'compile', { value: number; peakBytes: number; losses: readonly number[] }>;
    const worst = Math.max(...ours.losses.map((loss, i) => Math.abs(loss / eager.losses[i]! - 1)));
    console.log(`${name.padEnd(12)} ours ${ours.value.toFixed(0)} (${MB(ours.peakBytes)})  eager ${eager.value.toFixed(0)} (${MB(eager.peakBytes)})  torch.compile ${compile.value.toFixed(0)} (${MB(compile.peakBytes)})  ` +
      `× ${(ours.value / eager.value).toFixed(2)} eager, × ${(ours.value / compile.value).toFixed(2)} compiled; losses agree to ${worst.toExponential(1)}`);
  }
}

try {
  if (only === undefined || only === 'train') await train();
  if (only === undefined || only === 'grow') await growths(scratch, process.argv.includes('--size') ? [process.argv[process.argv.indexOf('--size') + 1]!] : Object.keys(growCases), python);
  if (only === undefined || only === 'estimate') await estimates(scratch);
  if (only === undefined || only === 'runs') benchRuns();
} finally { rmSync(scratch, { recursive: true, force: true }); }
