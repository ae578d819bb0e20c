/**
 * @file The growth benchmark: a sharded checkpoint of random weights grown ×2, beside the disk's own speed on
 * as many bytes, synced alike, and beside PyTorch with two whole models in memory.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { freemem, loadavg } from 'node:os';
import { join } from 'node:path';
import { dimsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { randomCheckpoint } from './checkpoint.ts';
import { bundled } from './bundle.ts';
import { growCases } from './cases.ts';

interface Run {
  readonly seconds: number;
  readonly cpuSeconds?: number;
  readonly peakBytes?: number;
}
const here = import.meta.dirname;
const GB = (bytes: number): string => (bytes / 1e9).toFixed(2);
const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** The JSON object that a process prints last. */
function run(command: string, args: readonly string[]): Run {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...process.env, TOKENIZERS_PARALLELISM: 'false' },
  });
  if (done.status !== 0) throw new Error(`${command} ${args[0]!} failed:\n${done.stderr.slice(-2000)}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Run;
}

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const weightBytes = (dir: string): number =>
  readdirSync(dir)
    .filter((f) => f.endsWith('.safetensors'))
    .reduce((n, f) => n + statSync(join(dir, f)).size, 0);

/** Memory that the usual way takes: both models, and as much of the larger again while it is saved. */
const peerFits = (source: number, grown: number): boolean => source + grown * 1.2 < freemem() * 0.7;

/**
 * Every size in turn; three rounds where that takes no hour, the sides taking turns. `python` finds the
 * peer's.
 */
export async function growths(
  scratch: string,
  sizes: readonly string[],
  python: () => string,
): Promise<void> {
  const scripts = await bundled({
    'grow-ours': join(here, 'grow-ours.ts'),
    'row-worker': join(here, '../../src-main/engine/grow/row-worker.ts'),
  });
  for (const size of sizes) {
    const config = growCases[size];
    if (!config) throw new RangeError(`--size is one of ${Object.keys(growCases).join(', ')}`);
    const dir = join(scratch, `source-${size}`);
    const out = join(scratch, 'grown');
    const fresh = (path: string): string => {
      rmSync(path, { recursive: true, force: true });
      return path;
    };
    await randomCheckpoint(dir, config, 500e6);
    const ours = (noise: string) => (): Run =>
      run(process.execPath, [join(scripts, 'grow-ours.js'), dir, fresh(out), noise]);
    ours('none')(); // how many bytes there are; and the source is in memory for all sides
    const source = weightBytes(dir);
    const grown = weightBytes(out);
    const dims = dimsOf(familyOf(config), config);
    const largest = 4 * 2 * dims['hidden']! * Math.max(dims['vocab']!, 2 * dims['ffn']!);
    const disk = (how: string) => (): Run =>
      run(process.execPath, [join(here, 'disk-ours.ts'), fresh(join(scratch, 'disk')), String(grown), how]);
    const fits = peerFits(source, grown);
    const sides: Record<string, () => Run> = {
      'disk, past the cache': disk('direct'),
      'disk, through it': disk('cached'),
      'no noise': ours('none'),
      '10 dB noise': ours('10'),
    };
    if (fits)
      sides['PyTorch'] = () =>
        run(python(), [
          join(here, 'peers/grow_peer.py'),
          '--checkpoint',
          dir,
          '--out',
          fresh(join(scratch, 'peer')),
          '--times',
          '2',
          '--threads',
          '2',
        ]);
    const found = new Map<string, Run[]>();
    const rounds = grown > 5e9 ? 1 : 3;
    const load = loadavg()[0]!;
    for (let round = 0; round < rounds; round++)
      for (const [name, side] of Object.entries(sides)) {
        found.set(name, [...(found.get(name) ?? []), side()]);
        for (const left of ['disk', 'peer', 'grown']) fresh(join(scratch, left));
      }
    const median = (name: string, of: (r: Run) => number | undefined): number =>
      middle(found.get(name)!.map((r) => of(r) ?? 0));
    const rate = (name: string): number => grown / median(name, (r) => r.seconds);
    const best = Math.max(rate('disk, past the cache'), rate('disk, through it'));
    const limit = 3 * largest + 300e6;
    console.log(
      `\nGrowing ×2 by hypercloning: ${GB(source)} GB in shards into ${GB(grown)} GB, written and synced; median of ${rounds}; load ${load.toFixed(1)} before, ${loadavg()[0]!.toFixed(1)} after`,
    );
    for (const name of found.keys()) {
      const cpu = median(name, (r) => r.cpuSeconds);
      const peak = median(name, (r) => r.peakBytes);
      const grows = name.includes('noise');
      console.log(
        `${name.padEnd(22)} ${median(name, (r) => r.seconds)
          .toFixed(2)
          .padStart(
            7,
          )} s  ${GB(rate(name))} GB/s${cpu ? `  ${cpu.toFixed(2)} processor seconds, ${GB(grown / cpu)} GB a second of one core` : ''}` +
          `${grows ? `  ${((100 * rate(name)) / best).toFixed(0)} % of the disk` : ''}${peak && !name.startsWith('disk') ? `  peak ${MB(peak)}${grows ? ` of ${MB(limit)} allowed` : ''}` : ''}`,
      );
    }
    console.log(
      fits
        ? `× ${(rate('no noise') / rate('PyTorch')).toFixed(2)} PyTorch without noise, × ${(rate('10 dB noise') / rate('PyTorch')).toFixed(2)} with`
        : `PyTorch left out: two models of ${GB(source)} and ${GB(grown)} GB do not fit beside what else runs here (${GB(freemem())} GB free)`,
    );
    fresh(dir);
  }
}
