/**
 * @file Appends events to events.jsonl of a run. A line that the disk did not take in full is removed again, so that
 * the next one does not continue it.
 */
import { constants, open, type FileHandle } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import type { RunEvent } from '../../train/run.ts';
import { readOrRefuse, syncFolder, writeOrRefuse, writeText } from '../fs/files.ts';
import { writeAt } from '../fs/sequential-file.ts';
import { parseEvent, splitLines, type Line } from './event-lines.ts';
import { eventsFile, openIfPresent, readRange } from './events.ts';

export interface EventLog {
  /** Appends an event. If it throws, the file is as before. */
  append(event: RunEvent): Promise<void>;
  /** Everything appended so far survives a power failure. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the file for appending and removes lines at its end that are no events: a kill or a power failure tore them
 * before they were synced. With `after`, a saved step, it also removes
 * every line from the first event of a later step on; later steps that the run rolled back before that save are
 * its history, and stay. With `stage`, it removes the events from the growth on that began a later stage. Other
 * lines that are no events stay where they are.
 */
export async function openEventLog(
  dir: string,
  { after = Infinity, stage = Infinity }: { readonly after?: number; readonly stage?: number } = {},
): Promise<EventLog> {
  const path = eventsFile(dir);
  const file = await writeOrRefuse(path, () => open(path, constants.O_RDWR | constants.O_CREAT));
  try {
    if (!(await file.stat()).isFile()) refuse('file/unreadable', { path, why: 'it is not a regular file' });
    await syncFolder(dir);
    const bytes = await readWhole(path, file);
    const length = keptLength(splitLines(bytes), after, stage);
    if (length < bytes.length) await writeOrRefuse(path, () => file.truncate(length));
    return createLog(path, file, length);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readWhole(path: string, file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  return readOrRefuse(path, () => readRange(file, 0, size));
}

function createLog(path: string, file: FileHandle, initialLength: number): EventLog {
  let length = initialLength;
  let isTorn = false;
  const removeTornLine = async (): Promise<void> => {
    await file.truncate(length);
    isTorn = false;
  };
  const append = async (line: Buffer): Promise<void> => {
    if (isTorn) await removeTornLine();
    try {
      await writeAt(file, line, length);
    } catch (error) {
      isTorn = true;
      // If the disk refuses this too, the next event tries again.
      await removeTornLine().catch(() => undefined);
      throw error;
    }
    length += line.length;
  };
  return {
    append: (event) => writeOrRefuse(path, () => append(Buffer.from(`${JSON.stringify(event)}\n`))),
    sync: () => writeOrRefuse(path, () => file.sync()),
    async close() {
      if (isTorn) await removeTornLine().catch(() => undefined);
      await file.sync().catch(() => undefined);
      await file.close();
    },
  };
}

/** Bytes of the lines that a run keeps when it continues after step `after`, in stage `stage`. */
function keptLength(lines: readonly Line[], after: number, stage: number): number {
  let lastEventEnd = 0;
  let firstLaterLine = Infinity;
  for (const line of lines) {
    const event = parseEvent(line.text());
    if (event === null) continue;
    lastEventEnd = line.end;
    if (event.type === 'rolled-back' && event.step < after) firstLaterLine = Infinity;
    else if (isLater(event, after, stage)) firstLaterLine = Math.min(firstLaterLine, line.start);
  }
  return Math.min(lastEventEnd, firstLaterLine);
}

const isLater = (event: RunEvent, after: number, stage: number): boolean =>
  ('step' in event && event.step > after) || (event.type === 'grown' && event.stage > stage);

/** Rewrites the events of version 1 in the current format, all lines or none. Lines that are no events stay. */
export async function upgradeEvents(dir: string): Promise<void> {
  const path = eventsFile(dir);
  const file = await openIfPresent(path);
  if (!file) return;
  try {
    const lines = splitLines(await readWhole(path, file)).map((line) => line.text());
    const upgraded = lines.map((line) => {
      const event = parseEvent(line);
      return `${event === null ? line : JSON.stringify(event)}\n`;
    });
    await writeText(path, upgraded.join(''));
  } finally {
    await file.close();
  }
}
