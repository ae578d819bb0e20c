/**
 * @file The growth benchmark: a sharded checkpoint of random weights grown ×2, compared with the write speed of the
 * disk, and with PyTorch holding two whole models in memory.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { freemem, loadavg } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../src-main/base/json.ts';
import { dimsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { bundleScripts } from './bundle.ts';
import { growCases } from './cases.ts';
import { medianOf, runChild } from './child.ts';
import type { Usage } from './measure-usage.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';

type Measurement = Pick<Usage, 'seconds'> & Partial<Usage>;
type Sides = Readonly<Record<string, () => Measurement>>;

const here = import.meta.dirname;
const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

const diskDirect = 'disk, direct';
const diskCached = 'disk, page cache';
const withoutNoise = 'no noise';
const withNoise = '10 dB noise';
const pytorch = 'PyTorch';

const weightBytes = (dir: string): number =>
  readdirSync(dir)
    .filter((file) => file.endsWith('.safetensors'))
    .reduce((sum, file) => sum + statSync(join(dir, file)).size, 0);

/** Largest memory that growth may take: three of the largest grown weight, and 300 MB. */
function memoryLimit(config: JsonObject): number {
  const dims = dimsOf(familyOf(config), config);
  const largestWeight = 4 * 2 * dims['hidden']! * Math.max(dims['vocab']!, 2 * dims['ffn']!);
  return 3 * largestWeight + 300e6;
}

/** Whether both models fit into memory, and a part of the larger one again while it is saved. */
const fitsPyTorch = (sourceBytes: number, grownBytes: number): boolean =>
  sourceBytes + 1.2 * grownBytes < 0.7 * freemem();

/** Runs the sides in turn, so that a machine whose speed drifts treats them alike. */
function measureInTurn(sides: Sides, rounds: number, cleanUp: () => void): Map<string, Measurement[]> {
  const measurements = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(sides)) {
      measurements.set(name, [...(measurements.get(name) ?? []), measure()]);
      cleanUp();
    }
  }
  return measurements;
}

function printResults(
  measurements: ReadonlyMap<string, readonly Measurement[]>,
  grownBytes: number,
  limit: number,
): void {
  const median = (name: string, valueOf: (m: Measurement) => number | undefined): number =>
    medianOf(measurements.get(name)!.map((m) => valueOf(m) ?? 0));
  const rate = (name: string): number => grownBytes / median(name, (m) => m.seconds);
  const diskRate = Math.max(rate(diskDirect), rate(diskCached));
  for (const name of measurements.keys()) {
    const seconds = median(name, (m) => m.seconds);
    const cpuSeconds = median(name, (m) => m.cpuSeconds);
    const peakBytes = median(name, (m) => m.peakBytes);
    const isGrowth = name === withoutNoise || name === withNoise;
    const isDisk = name === diskDirect || name === diskCached;
    const columns = [
      `${name.padEnd(22)} ${seconds.toFixed(2).padStart(7)} s`,
      `${gigabytes(rate(name))} GB/s`,
    ];
    if (cpuSeconds) {
      const perCore = gigabytes(grownBytes / cpuSeconds);
      columns.push(`${cpuSeconds.toFixed(2)} CPU seconds, ${perCore} GB/s per core`);
    }
    if (isGrowth) columns.push(`${((100 * rate(name)) / diskRate).toFixed(0)} % of the disk`);
    if (peakBytes && !isDisk) {
      columns.push(`peak ${megabytes(peakBytes)}${isGrowth ? ` of ${megabytes(limit)} allowed` : ''}`);
    }
    console.log(columns.join('  '));
  }
  if (measurements.has(pytorch)) {
    const times = (name: string): string => `× ${(rate(name) / rate(pytorch)).toFixed(2)} PyTorch`;
    console.log(`${times(withoutNoise)} without noise, ${times(withNoise)} with noise`);
  }
}

/** Grows one checkpoint by every side and prints the medians. */
async function benchSize(
  scratch: string,
  config: JsonObject,
  scripts: string,
  getPython: () => string,
): Promise<void> {
  const source = join(scratch, 'source');
  const grown = join(scratch, 'grown');
  const disk = join(scratch, 'disk');
  const peer = join(scratch, 'peer');
  const remove = (...paths: readonly string[]): void => {
    for (const path of paths) rmSync(path, { recursive: true, force: true });
  };
  await writeRandomCheckpoint(source, config, 500e6);

  const grow = (noise: string) => (): Measurement =>
    runChild(process.execPath, [join(scripts, 'measure-growth.js'), source, grown, noise]);
  grow('none')(); // to learn the number of bytes, and to have the source in the page cache for all sides
  const sourceBytes = weightBytes(source);
  const grownBytes = weightBytes(grown);
  remove(grown);

  const writeDisk = (mode: string) => (): Measurement =>
    runChild(process.execPath, [join(here, 'measure-disk.ts'), disk, String(grownBytes), mode]);
  const peerArgs = ['--checkpoint', source, '--out', peer, '--times', '2', '--threads', '2'];
  const growInPyTorch = (): Measurement =>
    runChild(getPython(), [join(here, 'peers/grow_peer.py'), ...peerArgs]);
  const runsPyTorch = fitsPyTorch(sourceBytes, grownBytes);
  const sides: Sides = {
    [diskDirect]: writeDisk('direct'),
    [diskCached]: writeDisk('cached'),
    [withoutNoise]: grow('none'),
    [withNoise]: grow('10'),
    ...(runsPyTorch ? { [pytorch]: growInPyTorch } : {}),
  };

  const rounds = grownBytes > 5e9 ? 1 : 3;
  const loadBefore = loadavg()[0]!;
  const measurements = measureInTurn(sides, rounds, () => {
    remove(grown, disk, peer);
  });
  console.log(
    `\nGrowing ×2 by hypercloning: ${gigabytes(sourceBytes)} GB in shards to ${gigabytes(grownBytes)} GB, written ` +
      `and synced; median of ${rounds}; load average ${loadBefore.toFixed(1)} before, ` +
      `${loadavg()[0]!.toFixed(1)} after`,
  );
  printResults(measurements, grownBytes, memoryLimit(config));
  if (!runsPyTorch) {
    console.log(
      `PyTorch left out: models of ${gigabytes(sourceBytes)} and ${gigabytes(grownBytes)} GB do not fit into ` +
        `${gigabytes(freemem())} GB of free memory`,
    );
  }
  remove(source);
}

/** `sizes` are keys of `growCases`. */
export async function benchGrowth(
  scratch: string,
  sizes: readonly string[],
  getPython: () => string,
): Promise<void> {
  const scripts = await bundleScripts({
    'measure-growth': join(here, 'measure-growth.ts'),
    'row-worker': join(here, '../../src-main/engine/grow/row-worker.ts'),
  });
  for (const size of sizes) {
    const config = growCases[size];
    if (!config) throw new RangeError(`--size is one of ${Object.keys(growCases).join(', ')}`);
    await benchSize(scratch, config, scripts, getPython);
  }
}
