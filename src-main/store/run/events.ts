/**
 * @file Reads and follows events.jsonl of a run: one event per line, append-only. A last line without a line break
 * was cut off when its process was killed, and is ignored; other lines that are no events are skipped.
 */
import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunEvent } from '../../train/run.ts';
import { openRegularFileIfThere } from '../fs/files.ts';
import { parseEvent, splitLines } from './event-lines.ts';
import { activityOf } from './state.ts';

export const eventsFile = (dir: string): string => join(dir, 'events.jsonl');

/**
 * The lines from line `from` on; null for a line that is no event. After a resume removed lines, `from` is the first
 * line that is new or different.
 */
export interface EventBatch {
  readonly from: number;
  readonly events: readonly (RunEvent | null)[];
}

/** A position in the file: the number of a line, from 0, and the byte where it begins. */
export interface LinePosition {
  readonly line: number;
  readonly offset: number;
}

export interface EventReader {
  /** The events since the last call. */
  next(): Promise<EventBatch>;
}

/**
 * Reads a growing file from a position on. When a resume has removed lines, the file is read again from its
 * start, and only lines that differ are returned.
 */
export function createEventReader(
  path: string,
  position: LinePosition = { line: 0, offset: 0 },
): EventReader {
  let { line: firstLine, offset } = position;
  let lastLineStart = offset;
  let hashes: number[] = [];

  /** True if the file still has, before `offset`, the last line that was read. */
  async function isContinued(file: FileHandle, size: number): Promise<boolean> {
    if (size < offset) return false;
    if (offset === lastLineStart) return true;
    return hashOf(await readRange(file, lastLineStart, offset)) === hashes.at(-1);
  }

  async function readNew(file: FileHandle): Promise<EventBatch> {
    const { size } = await file.stat();
    const continued = await isContinued(file, size);
    const base = continued ? offset : 0;
    const lineBefore = continued ? firstLine + hashes.length : 0;
    const lines = splitLines(await readRange(file, base, size));
    const end = lines.at(-1);
    if (end) {
      lastLineStart = base + end.start;
      offset = base + end.end;
    } else if (!continued) {
      lastLineStart = 0;
      offset = 0;
    }
    if (!continued && firstLine > 0) {
      firstLine = 0;
      hashes = [];
    }
    const newHashes = lines.map(({ bytes }) => hashOf(bytes));
    let unchanged = 0;
    if (!continued)
      while (unchanged < newHashes.length && newHashes[unchanged] === hashes[unchanged]) unchanged++;
    hashes = continued ? [...hashes, ...newHashes] : newHashes;
    const from = lineBefore + unchanged;
    return { from, events: lines.slice(unchanged).map(({ text }) => parseEvent(text())) };
  }

  return {
    async next() {
      const file = await openIfPresent(path);
      if (!file) return { from: firstLine + hashes.length, events: [] };
      try {
        return await readNew(file);
      } finally {
        await file.close();
      }
    },
  };
}

/** Opens a file for reading; undefined if it does not exist. */
export const openIfPresent = async (path: string): Promise<FileHandle | undefined> =>
  (await openRegularFileIfThere(path))?.file;

/** The bytes from `from` to `to`; fewer if the file ends before. */
export async function readRange(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, to - from));
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Every complete event from line `from` (counted from 0) on. */
export async function readEvents(dir: string, from = 0): Promise<readonly RunEvent[]> {
  const { events } = await createEventReader(eventsFile(dir)).next();
  return events.slice(from).filter((event) => event !== null);
}

/** How long a follower waits for the last line of a run whose process has just ended. */
const graceMilliseconds = 2000;

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** The byte where line `from` begins, if known; earlier lines are then not read. */
  readonly offset?: number | undefined;
}

/**
 * Yields every event from line `from` on, then new ones as they are written. Ends when no live process holds
 * the run and every line has been read, or when `signal` aborts.
 * After a `started` or `rolled-back` event of step s, earlier events of later steps are void.
 */
export async function* followEvents(
  dir: string,
  from: number,
  { signal, offset }: FollowOptions = {},
): AsyncGenerator<RunEvent> {
  const start = offset === undefined ? undefined : { line: from, offset };
  const reader = createEventReader(eventsFile(dir), start);
  const changes = watchFolder(dir, signal);
  let firstWanted = from;
  let last: RunEvent | undefined;
  let lastSeenAlive = -Infinity;
  try {
    for (;;) {
      if (signal?.aborted) return;
      // Asked before reading: a run that has ended writes nothing after this read.
      const isAlive = (await activityOf(dir)) !== null;
      if (isAlive) lastSeenAlive = performance.now();
      const batch = await reader.next();
      if (offset !== undefined && batch.from < firstWanted) firstWanted = 0;
      for (const [i, event] of batch.events.entries()) {
        if (event === null) continue;
        last = event;
        if (batch.from + i >= firstWanted) yield event;
        if (signal?.aborted) return;
      }
      if (batch.events.length > 0) continue;
      const isOver = last?.type === 'stopped' || performance.now() - lastSeenAlive > graceMilliseconds;
      if (!isAlive && isOver) return;
      await changes.wait();
    }
  } finally {
    changes.close();
  }
}

const pollMilliseconds = 250;

/** Waits for changes of events.jsonl. Polls too, because not every file system reports changes. */
function watchFolder(dir: string, signal?: AbortSignal): { wait(): Promise<void>; close(): void } {
  let hasChanged = false;
  let wake: (() => void) | undefined;
  const onChange = (): void => {
    hasChanged = true;
    wake?.();
  };
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    watcher = watch(dir, (_, name) => {
      if (name === null || name === 'events.jsonl') onChange();
    });
    watcher.on('error', () => {
      watcher?.close();
    });
  } catch {
    // This file system cannot be watched: polling is enough.
  }
  signal?.addEventListener('abort', onChange);
  return {
    async wait() {
      if (!hasChanged) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pollMilliseconds);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      wake = undefined;
      hasChanged = false;
    },
    close() {
      watcher?.close();
      signal?.removeEventListener('abort', onChange);
    },
  };
}
