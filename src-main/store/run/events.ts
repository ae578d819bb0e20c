/**
 * @file events.jsonl of a run: one whole line an event, appended and never rewritten behind a reader's back
 * unnoticed. A last line without its line break was cut off by a kill and does not count.
 */
import { watch } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { RunEvent } from '../../train/run.ts';
import { isAbsent, readFailure, reading, writing } from '../fs/files.ts';
import { activityOf } from './state.ts';

export const eventsFile = (dir: string): string => join(dir, 'events.jsonl');

/**
 * Events from line `from` on. After a resume took lines back, `from` is the first line that is new or
 * different.
 */
export interface EventBatch {
  readonly from: number;
  readonly events: readonly RunEvent[];
}

/** A place in the file: the number of a line (the first is 0) and the byte where it begins. */
export interface LinePlace {
  readonly line: number;
  readonly offset: number;
}

/**
 * Reads a growing file from a place on: each call answers with what came since the last. Lines taken back by
 * a resume are noticed; what came before the place is then told too.
 */
export function eventReader(
  path: string,
  place: LinePlace = { line: 0, offset: 0 },
): { next(): Promise<EventBatch> } {
  let { line: first, offset } = place;
  let start = offset;
  let prints: number[] = [];
  return {
    async next() {
      const file = await open(path, 'r').catch((error: unknown) => {
        if (isAbsent(error)) return undefined;
        throw readFailure(path, error);
      });
      if (!file) return { from: first + prints.length, events: [] };
      try {
        const { size } = await file.stat();
        const same =
          size >= offset &&
          (offset === start || printOf(await bytesOf(file, start, offset)) === prints.at(-1));
        const base = same ? offset : 0;
        const bytes = await bytesOf(file, base, size);
        const before = same ? first + prints.length : 0;
        const lines: Buffer[] = [];
        for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at)) {
          lines.push(bytes.subarray(at, end));
          [start, offset] = [base + at, base + end + 1];
        }
        if (!same && lines.length === 0) [start, offset] = [0, 0];
        if (!same && first > 0) {
          first = 0;
          prints = [];
        }
        const fresh = lines.map((line) => printOf(Buffer.concat([line, Buffer.of(10)])));
        let known = 0;
        if (!same) while (known < fresh.length && fresh[known] === prints[known]) known++;
        prints = same ? [...prints, ...fresh] : fresh;
        return {
          from: before + known,
          events: lines
            .slice(known)
            .map((line, i) => eventOf(path, line.toString('utf8'), before + known + i + 1)),
        };
      } finally {
        await file.close();
      }
    },
  };
}

/** The bytes of a file from `from` to `to`; fewer where it ends before. */
export async function bytesOf(file: FileHandle, from: number, to: number): Promise<Buffer> {
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
function printOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The event on a line; one that is none is refused with its number. */
export function eventOf(path: string, line: string, number: number): RunEvent {
  try {
    const event = JSON.parse(line) as RunEvent | null;
    if (typeof event?.at === 'string') return event;
  } catch {
    /* refused below, as any line that is not an event */
  }
  return refuse('run/damaged', {
    run: dirname(path),
    why: `line ${number} of ${basename(path)} is not an event`,
  });
}

/** Every whole event from line `from` on (the first line is 0). */
export const readEvents = async (dir: string, from = 0): Promise<readonly RunEvent[]> =>
  (await eventReader(eventsFile(dir)).next()).events.slice(from);

/**
 * How long a follower waits for the last line of a run whose process has just died, by a clock that a sleep
 * of the computer does not move.
 */
const grace = 2000;

/**
 * Every event from line `from` on, then live. Ends when no live process holds the run and every line is told,
 * or when `signal` aborts.
 * A `started` or `rolled-back` event of step s means that what was told of steps above s is void.
 */
export async function* followEvents(
  dir: string,
  from: number,
  {
    signal,
    offset,
  }: {
    readonly signal?: AbortSignal;
    /** The byte where line `from` begins, where that is known: what comes before is then not read, and told again if the file is written anew. */ readonly offset?:
      number | undefined;
  } = {},
): AsyncGenerator<RunEvent> {
  const reader = eventReader(eventsFile(dir), offset === undefined ? undefined : { line: from, offset });
  const stirred = watcher(dir, signal);
  let newest: RunEvent | undefined;
  let seenAlive = -Infinity;
  try {
    for (;;) {
      if (signal?.aborted) return;
      // asked before reading, so that nothing is written after the last read
      const alive = (await activityOf(dir)) !== null;
      if (alive) seenAlive = performance.now();
      const batch = await reader.next();
      if (offset !== undefined && batch.from < from) from = 0;
      for (const [i, event] of batch.events.entries()) {
        newest = event;
        if (batch.from + i >= from) yield event;
        if (signal?.aborted) return;
      }
      if (batch.events.length > 0) continue;
      if (!alive && (newest?.at === 'stopped' || performance.now() - seenAlive > grace)) return;
      await stirred.wait();
    }
  } finally {
    stirred.close();
  }
}

/** Wakes when the folder changes, and every so often where the system does not tell. */
function watcher(dir: string, signal?: AbortSignal): { wait(): Promise<void>; close(): void } {
  let wake: (() => void) | undefined;
  let changed = false;
  const stir = (): void => {
    changed = true;
    wake?.();
  };
  let watched: ReturnType<typeof watch> | undefined;
  try {
    watched = watch(dir, (_, name) => {
      if (name === null || name === 'events.jsonl') stir();
    });
    watched.on('error', () => {
      watched?.close();
    });
  } catch {
    /* no watching on this file system: the timer below is enough */
  }
  signal?.addEventListener('abort', stir);
  return {
    async wait() {
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 250);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      wake = undefined;
      changed = false;
    },
    close() {
      watched?.close();
      signal?.removeEventListener('abort', stir);
    },
  };
}

export interface EventLog {
  append(event: RunEvent): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the file for appending: a torn last line goes, and with `after`, a saved step, every line from the
 * first event of a later step on. Later steps that the run went back from before that save are its history,
 * and stay.
 */
export async function openEventLog(
  dir: string,
  { after = Infinity }: { readonly after?: number } = {},
): Promise<EventLog> {
  const path = eventsFile(dir);
  const file = await writing(path, () => open(path, 'a+'));
  try {
    const bytes = await reading(path, async () => bytesOf(file, 0, (await file.stat()).size));
    let keep = 0;
    let cut = Infinity;
    for (let end = bytes.indexOf(10), line = 1; end >= 0; end = bytes.indexOf(10, keep), line++) {
      const event = eventOf(path, bytes.toString('utf8', keep, end), line);
      if (event.at === 'rolled-back' && event.step < after) cut = Infinity;
      else if ('step' in event && event.step > after) cut = Math.min(cut, keep);
      keep = end + 1;
    }
    const length = Math.min(keep, cut);
    if (length < bytes.length) await writing(path, () => file.truncate(length));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async append(event) {
      await writing(path, () => file.appendFile(`${JSON.stringify(event)}\n`));
    },
    sync: () => writing(path, () => file.sync()),
    async close() {
      await file.sync().catch(() => undefined);
      await file.close();
    },
  };
}
