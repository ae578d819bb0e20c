/**
 * @file Compiles kernels for the emulator (emulator.h) with g++, and runs them. Programs are kept in the user's cache
 * by a hash of their text.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { opOf } from '../../src-main/engine/kernels/index.ts';
import type { Kernel, Launch, Scalar, Trial } from '../../src-main/engine/kernels/kernel.ts';
import { bodyOf } from '../../src-main/engine/kernels/source.ts';
import { outputBytes, trialBytes } from '../../src-main/engine/kernels/trial.ts';
import { emit, input, type Node } from '../../src-main/graph/graph.ts';

const header = join(import.meta.dirname, 'emulator.h');
const headers = [header, join(import.meta.dirname, 'emulated-device.h')];
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cambium-kernels');

/** Why kernels cannot be emulated here, as a sentence; undefined if they can. */
export const missing: string | undefined = findMissing();

function findMissing(): string | undefined {
  const here = `${process.platform}-${process.arch}`;
  if (here !== 'linux-x64') return `the emulator needs linux-x64, and this is ${here}`;
  const found = spawnSync('g++', ['--version'], { stdio: 'ignore' }).status === 0;
  return found ? undefined : 'g++ is not installed';
}

/** The node of a trial. */
export function nodeOf(kernel: Kernel, { inputs, attrs }: Trial): Node {
  const values = inputs.map(({ dtype, shape }, i) => input(`x${i}`, dtype, shape));
  return emit(opOf(kernel), values, attrs)[0]!.node!;
}

/** A kernel for one launch, under a name of its own. */
interface Entry {
  readonly kernel: Kernel;
  readonly launch: Launch;
  readonly name: string;
}

const undefine = (text: string): string =>
  [...new Set([...text.matchAll(/^#define (\w+)/gm)].map(([, name]) => name!))]
    .map((name) => `#undef ${name}\n`)
    .join('');

/** One program of several kernels: the text of each in a namespace, without its macros after it. */
function textOf(entries: readonly Entry[]): string {
  const parts = entries.map(({ kernel, launch, name }) => {
    const body = bodyOf(kernel, launch, name);
    return `namespace n_${name} {\n${body}\nREGISTER(${name})\n${undefine(body)}}\n`;
  });
  return `#include "${header}"\n${parts.join('')}`;
}

function compile(text: string): string {
  const hasher = createHash('sha256').update(text);
  for (const file of headers) hasher.update(readFileSync(file));
  const hash = hasher.digest('hex').slice(0, 16);
  const program = join(cache, hash);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const [source, made] = [`${program}-${process.pid}.cpp`, `${program}-${process.pid}`];
  writeFileSync(source, text);
  try {
    const flags = ['-std=c++17', '-O1', '-fno-strict-aliasing', '-ffp-contract=off', '-fno-stack-protector'];
    execFileSync('g++', [...flags, source, '-o', made], { stdio: ['ignore', 'ignore', 'pipe'] });
    renameSync(made, program);
  } finally {
    rmSync(source, { force: true });
  }
  return program;
}

const scalarBytes = (scalar: Scalar): Uint8Array => {
  if ('int' in scalar) return new Uint8Array(Int32Array.of(scalar.int).buffer);
  if ('float' in scalar) return new Uint8Array(Float32Array.of(scalar.float).buffer);
  return new Uint8Array(BigInt64Array.of(BigInt(scalar.long)).buffer);
};

/** A trial with the order of threads that a seed draws. */
export interface Job {
  readonly trial: Trial;
  readonly seed: number;
}

/**
 * Runs jobs of one kernel in one process; returns the bytes of the outputs of each. Throws what the emulator found:
 * an access out of bounds, threads that do not meet.
 */
export function emulate(kernel: Kernel, jobs: readonly Job[]): readonly (readonly Uint8Array[])[] {
  const nodes = jobs.map(({ trial }) => nodeOf(kernel, trial));
  const entries = new Map<string, Entry>();
  const planned = nodes.map((node) => {
    const launch = kernel.launch(node);
    const key = JSON.stringify(launch.defines);
    const entry = entries.get(key) ?? { kernel, launch, name: `${kernel.op}_${entries.size}` };
    entries.set(key, entry);
    return { node, launch, name: entry.name };
  });
  const program = compile(textOf([...entries.values()]));
  const parts = planned.flatMap(({ node, launch, name }, i) => {
    const { trial, seed } = jobs[i]!;
    const inputs = trial.inputs.map((x, position) => trialBytes(x, trial, position));
    const scalars = launch.scalars.map(scalarBytes);
    const kinds = [
      ...inputs.map((bytes) => `i ${bytes.length}`),
      ...node.outputs.map((v) => `o ${outputBytes(v)}`),
      ...scalars.map((bytes) => `s ${bytes.length}`),
    ];
    const head = [name, ...launch.grid, launch.threads, launch.sharedBytes, seed, kinds.length].join(' ');
    return [Buffer.from(`${head}\n${kinds.join('\n')}\n`), ...inputs, ...scalars];
  });
  const ran = spawnSync(program, { input: Buffer.concat(parts), maxBuffer: 2 ** 30 });
  if (ran.status !== 0)
    throw new Error(`${kernel.op}: ${ran.stderr.toString().trim() || String(ran.signal)}`);
  let at = 0;
  return nodes.map((node) =>
    node.outputs.map((v) => new Uint8Array(ran.stdout.subarray(at, (at += outputBytes(v))))),
  );
}
