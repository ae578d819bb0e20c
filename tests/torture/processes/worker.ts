/** @file A process that works on the same run, home and caches as others, and reports each operation. */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../src-main/base/errors.ts';
import { deriveKey, integerAt } from '../../../src-main/base/random.ts';
import { writeFolder } from '../../../src-main/store/fs/folder.ts';
import { isProcessAlive } from '../../../src-main/store/fs/process.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { lockRepo } from '../../../src-main/store/hub/journal.ts';
import { openSession } from '../../../src-main/store/run/runs.ts';

/** What the processes share. */
export interface SharedFolders {
  readonly home: string;
  readonly run: string;
  /** A folder with checkpoints to remember, `0`, `1`, … */
  readonly checkpoints: string;
  readonly cache: string;
}
export interface WorkerOrder {
  readonly folders: SharedFolders;
  readonly seed: number;
}

export const workKinds = ['count', 'remember', 'train', 'create', 'cache', 'download'] as const;
export type WorkKind = (typeof workKinds)[number];
/** The counter is what a lost update shows first. */
const frequencies: readonly WorkKind[] = [
  'count',
  'count',
  'remember',
  'train',
  'train',
  'create',
  'cache',
  'download',
];

export type WorkerMessage =
  | { readonly type: 'begun'; readonly kind: WorkKind; readonly id: string }
  | {
      readonly type: 'done';
      readonly kind: WorkKind;
      readonly id: string;
      /** False if another process held what was needed. */
      readonly isDone: boolean;
      /** What must not have happened. */
      readonly wrong?: string;
      /** The folder that was created. */
      readonly path?: string;
    };

interface Outcome {
  readonly isDone: boolean;
  readonly wrong?: string;
  readonly path?: string;
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Marks a place as entered by this process. Returns the living process that is there already. */
function enter(path: string): number | undefined {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return undefined;
  } catch {
    const other = Number(readFileSync(path, 'utf8'));
    if (other !== process.pid && isProcessAlive(other)) return other;
    writeFileSync(path, String(process.pid));
    return undefined;
  }
}

/** Stays where only one process may be. Returns what is wrong if another is there. */
async function stayAlone(marker: string, ms: number): Promise<string | undefined> {
  const other = enter(marker);
  if (other !== undefined) return `processes ${process.pid} and ${other} were at ${marker} at once`;
  await wait(ms);
  rmSync(marker, { force: true });
  return undefined;
}

const isCode = (error: unknown, code: string): boolean => error instanceof AppError && error.code === code;
const asWrong = (wrong: string | undefined): { readonly wrong?: string } =>
  wrong === undefined ? {} : { wrong };

type Work = (folders: SharedFolders, id: string, chance: number) => Promise<Outcome>;

const works: Readonly<Record<WorkKind, Work>> = {
  async count({ home }) {
    await openHome(home).updateFile('counter.json', (before) => ({ n: Number(before?.['n'] ?? 0) + 1 }));
    return { isDone: true };
  },
  async remember({ home, checkpoints }, id, chance) {
    await openHome(home).rememberCheckpoint(join(checkpoints, String(chance)), id);
    return { isDone: true, path: join(checkpoints, String(chance)) };
  },
  async train({ run }, id, chance) {
    try {
      const session = await openSession(run);
      const wrong = await stayAlone(join(run, 'inside'), chance % 4);
      await session.append({ type: 'sample', step: 1, prompt: id, text: 'x'.repeat(200) });
      await session.sync();
      await session.close();
      return { isDone: true, ...asWrong(wrong) };
    } catch (error) {
      if (isCode(error, 'run/already-running')) return { isDone: false };
      throw error;
    }
  },
  async create({ home }, id) {
    const create = async (path: string): Promise<void> => {
      await Promise.resolve();
      writeFileSync(join(path, 'owner'), id, { flag: 'wx' });
    };
    return { isDone: true, path: await openHome(home).createRunFolder('run', create) };
  },
  async cache({ cache }, _, chance) {
    const target = join(cache, String(chance));
    const fill = async (folder: string): Promise<void> => {
      for (const name of ['a', 'b']) {
        writeFileSync(join(folder, name), `${chance} `.repeat(2000));
        await wait(1);
      }
    };
    const isWritten = await writeFolder(target, fill).then(
      () => true,
      (error: unknown) => {
        if (isCode(error, 'file/exists')) return false;
        throw error;
      },
    );
    const texts = ['a', 'b'].map((name) => readFileSync(join(target, name), 'utf8'));
    const isWhole = texts.every((text) => text === `${chance} `.repeat(2000));
    return { isDone: isWritten, ...asWrong(isWhole ? undefined : `${target} is half-written`) };
  },
  async download({ cache }, _, chance) {
    const repo = join(cache, 'models--org--model');
    try {
      const release = await lockRepo(repo, 'org/model', 'a'.repeat(40));
      const wrong = await stayAlone(join(cache, 'downloading'), chance % 3);
      await release();
      return { isDone: true, ...asWrong(wrong) };
    } catch (error) {
      if (isCode(error, 'hub/already')) return { isDone: false };
      throw error;
    }
  },
};

const tell = (message: WorkerMessage): Promise<void> =>
  new Promise((resolve) => {
    process.send!(message, () => {
      resolve();
    });
  });

// This file is also loaded for its types and names.
if (process.argv[1] === import.meta.filename) {
  const { folders, seed } = JSON.parse(process.argv[2]!) as WorkerOrder;
  const key = deriveKey(seed, 'worker');
  process.once('disconnect', () => process.exit());
  for (let n = 0; ; n++) {
    const kind = frequencies[integerAt(key, 2 * n, frequencies.length)]!;
    const id = `${seed}-${n}`;
    await tell({ type: 'begun', kind, id });
    const outcome = await works[kind](folders, id, integerAt(key, 2 * n + 1, 400)).catch(
      (error: unknown) => ({
        isDone: false,
        wrong: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    );
    await tell({ type: 'done', kind, id, ...outcome });
  }
}
