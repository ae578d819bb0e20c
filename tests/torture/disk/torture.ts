/** @file Works on a small disk that fills after a random number of bytes. Needs root, who can mount one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../src-main/base/errors.ts';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { operations, type Operation, type Place, type Progress } from '../operations/operation.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';

const diskBytes = 16 * 2 ** 20;
/** The disk fills within this many bytes, most often within few of them. */
const largestRest = 1_500_000;
const noteEvery = 50;

/** Mounts a disk in memory. Returns why that is not possible. */
function mountDisk(dir: string): string | undefined {
  mkdirSync(dir, { recursive: true });
  if (process.platform !== 'linux') return `there is no tmpfs on ${process.platform}`;
  const options = ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', dir];
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' });
  return status === 0 ? undefined : stderr?.trim() || 'mount cannot be run';
}

/** True if a disk in memory can be mounted. */
export function canMountDisk(dir: string): boolean {
  const why = mountDisk(dir);
  if (why === undefined) spawnSync('umount', [dir]);
  return why === undefined;
}

/** Fills the disk until about `rest` bytes are free. */
function fillDisk(dir: string, rest: number): void {
  const filler = join(dir, 'filler');
  const { bavail, bsize } = statfsSync(dir);
  const bytes = Math.max(0, bavail * bsize - rest);
  try {
    writeFileSync(filler, new Uint8Array(bytes));
  } catch {
    // The last block may not fit.
    truncateSync(filler, Math.max(0, bytes - 8192));
  }
}

/** Files and folders that a failed work should have removed. */
const listLeftovers = (dir: string): readonly string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /\.partial-|\.new$/.test(name));

interface Tally {
  readonly name: string;
  fills: number;
  full: number;
  readonly failures: string[];
}

/** Works once. Returns what went wrong, besides the full disk. */
async function workOnce(
  operation: Operation,
  place: Place,
  progress: Progress,
): Promise<'done' | 'full' | { readonly wrong: string }> {
  try {
    await operation.work(place, progress);
    return 'done';
  } catch (error) {
    if (error instanceof AppError && error.code === 'file/no-space') return 'full';
    return { wrong: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

async function fillAgainAndAgain(
  name: string,
  operation: Operation,
  count: number,
  { seed, scratch, note }: TortureOptions,
): Promise<Tally> {
  const disk = join(scratch, `${name}-disk`);
  const place: Place = { root: join(disk, 'root'), inputs: join(scratch, `${name}-inputs`) };
  const tally: Tally = { name, fills: 0, full: 0, failures: [] };
  const why = mountDisk(disk);
  if (why !== undefined) return { ...tally, failures: [`${name}: no disk can be mounted: ${why}`] };
  const key = deriveKey(seed, 'disk', name);
  try {
    for (const dir of [place.root, place.inputs]) mkdirSync(dir, { recursive: true });
    const end = await operation.prepare(place);
    let progress: Progress = { begun: 0, done: 0, completed: 0 };
    const work = async (): Promise<'done' | 'full' | { readonly wrong: string }> => {
      progress = { ...progress, begun: progress.begun + 1 };
      const result = await workOnce(operation, place, progress);
      if (result === 'done')
        progress = { ...progress, done: progress.begun, completed: progress.completed + 1 };
      return result;
    };
    for (let n = 0; n < count && tally.failures.length < 20; n++) {
      const rest = Math.floor(uniformAt(key, n) ** 2 * largestRest);
      const which = `${name}, ${rest} bytes free (${n + 1} of seed ${seed})`;
      fillDisk(disk, rest);
      const result = await work();
      if (typeof result === 'object') tally.failures.push(`${which}: ${result.wrong}`);
      if (result === 'full') tally.full++;
      tally.fills++;
      const leftovers = result === 'full' ? listLeftovers(place.root) : [];
      const wrong = [
        ...leftovers.map((left) => `${left} is left`),
        ...(await operation.check(place, progress)),
      ];
      tally.failures.push(...wrong.map((what) => `${which}: ${what}`));
      rmSync(join(disk, 'filler'), { force: true });
      // With space again, the same work succeeds.
      const again = result === 'full' ? await work() : 'done';
      if (again !== 'done') tally.failures.push(`${which}, then with space: ${JSON.stringify(again)}`);
      tally.failures.push(
        ...(await operation.check(place, progress)).map((what) => `${which}, later: ${what}`),
      );
      operation.clean?.(place, progress);
      if ((n + 1) % noteEvery === 0) note(`${name}: ${n + 1} fills, ${tally.full} of them during a work`);
    }
    await end?.();
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
  return tally;
}

async function run(options: TortureOptions): Promise<TortureReport> {
  const { only, count } = options;
  const names = Object.keys(operations).filter((name) => only.length === 0 || only.includes(name));
  const lines: string[] = [];
  const failures: string[] = [];
  for (const name of names) {
    const tally = await fillAgainAndAgain(name, await operations[name]!(), count, options);
    failures.push(...tally.failures);
    lines.push(`${name}: ${tally.fills} fills, ${tally.full} of them ended a work with file/no-space`);
  }
  return { lines, failures };
}

export const disk: Torture = {
  promise: 'A full disk ends a work with a typed error, keeps what was saved, and later the work succeeds.',
  count: 200,
  run,
};
