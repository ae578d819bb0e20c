/**
 * @file The history of a run, read incrementally: totals for a list, thinned events for a chart. A stopped run
 * caches them in digest.json, history.json and zoom.json, so that long runs open without reading every line.
 */
import { rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { storedError, type ErrorData } from '../../base/errors.ts';
import type { EarlyStopping } from '../../train/early-stopping.ts';
import type { RunEvent, RunHistory } from '../../train/run.ts';
import { readJsonIfOf, writeJson } from '../fs/files.ts';
import { parseEvent, storedEvent } from './event-lines.ts';
import { eventsFile, openIfPresent, readRange } from './events.ts';
import { activityOf } from './state.ts';
import { createEventThinner, type EventThinner } from './thinned-events.ts';
import {
  collectZoomBlocks,
  readZoomBlocks,
  writeZoomBlocks,
  type ZoomBlocks,
  type ZoomCollector,
} from './zoom-blocks.ts';

/** What a list shows of a run, from its events alone. */
export interface RunTotals {
  step: number;
  steps: number;
  tokens: number;
  loss: number | null;
  heldOutLoss: number | null;
  seconds: number;
  cost: number | null;
  earlyStopped?: EarlyStopping;
  error?: ErrorData;
  lastEvent?: RunEvent;
  /** Lines that are no events. */
  badLines?: number;
}

/** One entry per `indexStride` lines: the step before the line, and the byte where it begins. */
type LineIndex = [step: number, offset: number][];
const indexStride = 4096;
/** A range over more blocks of `indexStride` lines is drawn from the thinned blocks. */
const mostExactBlocks = 8;

/**
 * digest.json. Version 1 had events of format version 1, version 2 no cost, version 3 no zoom.json: they are read
 * anew.
 */
const storedDigest = z.object({
  version: z.literal(4),
  size: z.number(),
  lines: z.number(),
  totals: z.object({
    step: z.number(),
    steps: z.number(),
    tokens: z.number(),
    loss: z.number().nullable(),
    heldOutLoss: z.number().nullable(),
    seconds: z.number(),
    cost: z.number().nullable(),
    earlyStopped: z
      .object({ best: z.number(), bestStep: z.number(), evaluations: z.number() })
      .exactOptional(),
    error: storedError.exactOptional(),
    lastEvent: storedEvent.exactOptional(),
    badLines: z.number().exactOptional(),
  }),
  index: z.array(z.tuple([z.number(), z.number()])),
});
type Digest = z.infer<typeof storedDigest>;

/** history.json. */
const storedHistory = z.object({
  events: z.array(storedEvent),
  lines: z.number(),
  offset: z.number(),
  isComplete: z.boolean(),
});

/** What has been read of a run so far. */
interface ReadState {
  offset: number;
  lines: number;
  lastLine: string;
  totals: RunTotals;
  index: LineIndex;
  thinner: EventThinner;
  zoom: ZoomCollector;
  /** True if the cache on disk is up to date. */
  isCached: boolean;
  /** True if the state came from the cache: it cannot be continued, because no line was read. */
  isFromCache: boolean;
}

const digestFile = (dir: string): string => join(dir, 'digest.json');
const historyFile = (dir: string): string => join(dir, 'history.json');
/** Bytes that are read at once. Between two blocks the process can answer other requests. */
const blockBytes = 1 << 19;
/** A run with fewer lines is read faster than its cache. */
const fewestCachedLines = 2000;

export const emptyTotals = (): RunTotals => ({
  step: 0,
  steps: 0,
  tokens: 0,
  loss: null,
  heldOutLoss: null,
  seconds: 0,
  cost: null,
});
const emptyState = (): ReadState => ({
  offset: 0,
  lines: 0,
  lastLine: '',
  totals: emptyTotals(),
  index: [],
  thinner: createEventThinner(),
  zoom: collectZoomBlocks(),
  isCached: false,
  isFromCache: false,
});

function addToTotals(totals: RunTotals, event: RunEvent): void {
  totals.lastEvent = event;
  if (event.type !== 'preparing') totals.step = event.step;
  switch (event.type) {
    case 'started':
      totals.steps = event.steps;
      delete totals.error;
      delete totals.earlyStopped;
      break;
    case 'rescheduled':
      totals.steps = event.steps;
      break;
    case 'grown':
      totals.steps = event.steps;
      totals.heldOutLoss = event.lossAfter ?? totals.heldOutLoss;
      break;
    case 'step':
      totals.tokens = event.tokens;
      totals.loss = event.loss;
      totals.seconds += event.seconds;
      break;
    case 'evaluated':
      totals.heldOutLoss = event.loss;
      break;
    case 'usage':
      totals.cost = event.cost;
      break;
    case 'early-stopped': {
      const { best, bestStep, evaluations } = event;
      totals.earlyStopped = { best, bestStep, evaluations };
      break;
    }
    case 'stopped':
      if (event.error) totals.error = event.error;
      else delete totals.error;
      break;
  }
}

interface PlacedLine {
  readonly text: string;
  /** The byte after the line. */
  readonly end: number;
}

/** Complete lines between two bytes of the file, a block at a time. */
async function* readLines(file: FileHandle, from: number, to: number): AsyncGenerator<readonly PlacedLine[]> {
  let rest: Buffer = Buffer.alloc(0);
  let at = from;
  while (at < to) {
    const block = await readRange(file, at, Math.min(to, at + blockBytes));
    if (block.length === 0) return;
    const bytes = rest.length > 0 ? Buffer.concat([rest, block]) : block;
    const base = at - rest.length;
    const lines: PlacedLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      lines.push({ text: bytes.toString('utf8', start, end), end: base + end + 1 });
      start = end + 1;
    }
    yield lines;
    rest = Buffer.from(bytes.subarray(start));
    at += block.length;
  }
}

/** The state with all lines written since. A file that was shortened or replaced is read from its start. */
async function readFurther(dir: string, before: ReadState | undefined): Promise<ReadState> {
  const file = await openIfPresent(eventsFile(dir));
  if (!file) return emptyState();
  try {
    const { size } = await file.stat();
    const continued = before && (await isContinued(file, before, size)) ? before : undefined;
    const state = continued ?? (await readCached(dir, size)) ?? emptyState();
    for await (const lines of readLines(file, state.offset, size))
      for (const { text, end } of lines) {
        if (state.lines % indexStride === 0) {
          state.index.push([state.totals.step, state.offset]);
          state.zoom.startBlock();
        }
        state.lines++;
        const event = parseEvent(text);
        if (event) {
          addToTotals(state.totals, event);
          state.thinner.add(event);
          if (event.type === 'step') state.zoom.add(event);
        } else state.totals.badLines = (state.totals.badLines ?? 0) + 1;
        state.offset = end;
        state.lastLine = text;
        state.isCached = false;
      }
    return state;
  } finally {
    await file.close();
  }
}

/** True if the file still begins with what was read of it. */
async function isContinued(
  file: FileHandle,
  { offset, lastLine, lines, isFromCache }: ReadState,
  size: number,
): Promise<boolean> {
  if (size < offset || isFromCache) return size === offset;
  if (lines === 0) return true;
  const length = Buffer.byteLength(lastLine) + 1;
  return (await readRange(file, offset - length, offset)).toString('utf8') === `${lastLine}\n`;
}

/** The cached state, if it belongs to a file of this size. */
async function readCached(dir: string, size: number): Promise<ReadState | undefined> {
  const digest = await readJsonIfOf(digestFile(dir), storedDigest);
  if (digest?.size !== size) return undefined;
  const { lines, totals, index } = digest;
  return { ...emptyState(), offset: size, lines, totals, index, isCached: true, isFromCache: true };
}

async function writeCache(dir: string, state: ReadState): Promise<void> {
  const isWorthIt = !state.isCached && state.lines >= fewestCachedLines;
  if (!isWorthIt || (await activityOf(dir)) !== null) return;
  state.isCached = true;
  const { lines, offset, totals, index } = state;
  await writeJson(historyFile(dir), {
    ...state.thinner.result(),
    lines,
    offset,
  } satisfies RunHistory);
  await writeZoomBlocks(dir, offset, state.zoom.blocks());
  await writeJson(digestFile(dir), { version: 4, size: offset, lines, totals, index } satisfies Digest);
}

/** Read states by folder. Reads of one folder wait for each other. */
const states = new Map<string, Promise<ReadState>>();

async function readState(dir: string): Promise<ReadState> {
  const before = states.get(dir);
  const reading = (async () => readFurther(dir, await before?.catch(() => undefined)))();
  states.set(dir, reading);
  try {
    const state = await reading;
    // A folder that cannot be written is simply read again next time.
    await writeCache(dir, state).catch(() => undefined);
    return state;
  } catch (error) {
    states.delete(dir);
    throw error;
  }
}

/** The totals of a run now. */
export const totalsOf = async (dir: string): Promise<Readonly<RunTotals>> => ({
  ...(await readState(dir)).totals,
});

export interface StepRange {
  readonly from: number;
  readonly to: number;
}

/** The thinned events of a run; with a range, those of its steps, thinned to as many points. */
export async function historyOf(dir: string, range?: StepRange): Promise<RunHistory> {
  const state = await readState(dir);
  const { lines, offset } = state;
  if (range) return { ...(await readSteps(dir, state, range)), lines, offset };
  if (!state.isFromCache) return { ...state.thinner.result(), lines, offset };
  const cached = await readJsonIfOf(historyFile(dir), storedHistory);
  if (cached?.offset === offset) return cached;
  // Half of the cache is gone: read the lines themselves.
  await rm(digestFile(dir), { force: true });
  states.delete(dir);
  return historyOf(dir);
}

/** A part of events.jsonl that may hold steps of a range. */
interface FilePart {
  /** Number of the block of `indexStride` lines. */
  readonly block: number;
  readonly from: number;
  readonly to: number;
  /** True if all steps of the part are in the range. */
  readonly isInside: boolean;
}

/** After a rollback the same step is in several parts of the file: every part that may hold a step is listed. */
const findParts = ({ index, totals, offset }: ReadState, range: StepRange): readonly FilePart[] =>
  index.flatMap(([step, from], block): FilePart[] => {
    const [stepAfter, to] = index[block + 1] ?? [totals.step, offset];
    const [low, high] = [Math.min(step, stepAfter), Math.max(step, stepAfter)];
    if (high < range.from || low > range.to) return [];
    return [{ block, from, to, isInside: low >= range.from && high <= range.to }];
  });

/** The steps of a range: each of a narrow range, and of a wide one those that the thinned blocks have kept. */
async function readSteps(
  dir: string,
  state: ReadState,
  range: StepRange,
): Promise<Pick<RunHistory, 'events' | 'isComplete'>> {
  const file = await openIfPresent(eventsFile(dir));
  const thinner = createEventThinner();
  if (!file) return thinner.result();
  const add = (event: RunEvent | null): void => {
    if (event?.type === 'step' && event.step >= range.from && event.step <= range.to) thinner.add(event);
  };
  try {
    const parts = findParts(state, range);
    const isWide = parts.length > mostExactBlocks;
    const blocks = isWide ? await zoomBlocksOf(dir, state) : undefined;
    for (const { block, from, to, isInside } of parts) {
      const kept = isInside ? blocks?.[block] : undefined;
      if (kept) for (const event of kept) add(event);
      else
        for await (const lines of readLines(file, from, to))
          for (const { text } of lines) add(parseEvent(text));
    }
    const { events, isComplete } = thinner.result();
    return { events, isComplete: isComplete && blocks === undefined };
  } finally {
    await file.close();
  }
}

const zoomBlocksOf = async (dir: string, state: ReadState): Promise<ZoomBlocks | undefined> =>
  state.isFromCache ? readZoomBlocks(dir, state.offset) : state.zoom.blocks();
