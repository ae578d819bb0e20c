/**
 * @file events.jsonl of a run: one event per line, append-only. A last line without a line break was cut off
 * when its process was killed, and is ignored. Lines of format version 1 are translated when they are read.
 */
import { watch } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { RunEvent } from '../../train/run.ts';
import { isNotFound, readOrRefuse, toReadError, writeOrRefuse, writeText } from '../fs/files.ts';
import { activityOf } from './state.ts';
import { translateEvent } from './version-1.ts';

export const eventsFile = (dir: string): string => join(dir, 'events.jsonl');

const lineBreak = 10;

/** Events from line `from` on. After a resume removed lines, `from` is the first line that is new or different. */
export interface EventBatch {
  readonly from: number;
  readonly events: readonly RunEvent[];
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
    const events = lines.slice(unchanged).map(({ text }, i) => parseEvent(path, text(), from + i + 1));
    return { from, events };
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
export const openIfPresent = (path: string): Promise<FileHandle | undefined> =>
  open(path, 'r').catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw toReadError(path, error);
  });

interface Line {
  /** Byte positions, the line break included in `end`. */
  readonly start: number;
  readonly end: number;
  /** With the line break. */
  readonly bytes: Buffer;
  /** Without the line break. */
  text(): string;
}

/** The complete lines of a buffer. */
function splitLines(buffer: Buffer): readonly Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let end = buffer.indexOf(lineBreak); end >= 0; end = buffer.indexOf(lineBreak, start)) {
    const bytes = buffer.subarray(start, end + 1);
    lines.push({ start, end: end + 1, bytes, text: () => bytes.toString('utf8', 0, bytes.length - 1) });
    start = end + 1;
  }
  return lines;
}

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

/** Parses a line. Throws `run/damaged` with the number of a line that is no event. */
export function parseEvent(path: string, line: string, number: number): RunEvent {
  try {
    const event = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
    if (typeof event?.['type'] === 'string') return event as unknown as RunEvent;
    if (typeof event?.['at'] === 'string') return translateEvent(event) as unknown as RunEvent;
  } catch {
    // Refused below, like every other line that is no event.
  }
  const why = `line ${number} of ${basename(path)} is not an event`;
  return refuse('run/damaged', { run: dirname(path), why });
}

/** Every complete event from line `from` (counted from 0) on. */
export async function readEvents(dir: string, from = 0): Promise<readonly RunEvent[]> {
  const { events } = await createEventReader(eventsFile(dir)).next();
  return events.slice(from);
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

export interface EventLog {
  append(event: RunEvent): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the file for appending and removes a line that was cut off. With `after`, a saved step, it also removes
 * every line from the first event of a later step on; later steps that the run rolled back before that save are
 * its history, and stay.
 */
export async function openEventLog(
  dir: string,
  { after = Infinity }: { readonly after?: number } = {},
): Promise<EventLog> {
  const path = eventsFile(dir);
  const file = await writeOrRefuse(path, () => open(path, 'a+'));
  try {
    const { size } = await file.stat();
    const bytes = await readOrRefuse(path, () => readRange(file, 0, size));
    const length = keptLength(path, splitLines(bytes), after);
    if (length < bytes.length) await writeOrRefuse(path, () => file.truncate(length));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async append(event) {
      await writeOrRefuse(path, () => file.appendFile(`${JSON.stringify(event)}\n`));
    },
    sync: () => writeOrRefuse(path, () => file.sync()),
    async close() {
      await file.sync().catch(() => undefined);
      await file.close();
    },
  };
}

/** Bytes of the lines that a run keeps when it continues after step `after`. */
function keptLength(path: string, lines: readonly Line[], after: number): number {
  let firstLaterLine = Infinity;
  for (const [i, line] of lines.entries()) {
    const event = parseEvent(path, line.text(), i + 1);
    if (event.type === 'rolled-back' && event.step < after) firstLaterLine = Infinity;
    else if ('step' in event && event.step > after) firstLaterLine = Math.min(firstLaterLine, line.start);
  }
  return Math.min(lines.at(-1)?.end ?? 0, firstLaterLine);
}

/** Rewrites the events of version 1 in the current format, all lines or none. */
export async function upgradeEvents(dir: string): Promise<void> {
  const events = await readEvents(dir);
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  await writeText(eventsFile(dir), lines.join(''));
}
