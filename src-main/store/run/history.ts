/**
 * @file A run's events, read once and then only at their end: folded into what a list shows and thinned to
 * what a chart draws. Of a run that rests both are kept beside it, so that a year's runs open without reading
 * a year's lines.
 */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorData } from '../../base/errors.ts';
import type { RunEvent, RunHistory } from '../../train/run.ts';
import { thinner, type Thinner } from '../../train/thinning.ts';
import { bytesOf, eventOf, eventsFile } from './events.ts';
import { isAbsent, readFailure, readObject, writeJson } from '../fs/files.ts';
import { activityOf } from './state.ts';

/** A run at a glance, from its events alone. */
export interface Fold {
  step: number;
  steps: number;
  tokens: number;
  loss: number | null;
  heldOutLoss: number | null;
  seconds: number;
  error?: ErrorData;
  newest?: RunEvent;
}

/** Every so many lines the index has an entry: the step before it, and the byte where its line begins. */
const stride = 4096;
type Index = (readonly [step: number, offset: number])[];

interface Digest {
  readonly version: 1;
  readonly size: number;
  readonly lines: number;
  readonly fold: Fold;
  readonly index: Index;
}
interface Look {
  offset: number;
  lines: number;
  lastLine: string;
  fold: Fold;
  index: Index;
  thin: Thinning;
  /** What is kept beside the run says this already. */ kept: boolean;
  /** Taken from there, so that no line was read. */ resting: boolean;
}

const digestFile = (dir: string): string => join(dir, 'digest.json');
const historyFile = (dir: string): string => join(dir, 'history.json');
/**
 * Steps and other measurements that are kept of a run, and bytes that are read at once: the process that
 * reads also answers its windows.
 */
const mostSteps = 4000;
const mostOthers = 1000;
const block = 1 << 19;
/** A run with fewer lines is read faster than what would be kept of it. */
const worthKeeping = 2000;

const empty = (): Fold => ({ step: 0, steps: 0, tokens: 0, loss: null, heldOutLoss: null, seconds: 0 });
const fresh = (): Look => ({
  offset: 0,
  lines: 0,
  lastLine: '',
  fold: empty(),
  index: [],
  thin: thinning(),
  kept: false,
  resting: false,
});

function add(fold: Fold, event: RunEvent): void {
  fold.newest = event;
  if (event.at !== 'preparing') fold.step = event.step;
  if (event.at === 'started') {
    fold.steps = event.steps;
    delete fold.error;
  }
  if (event.at === 'rescheduled') fold.steps = event.steps;
  if (event.at === 'step') {
    fold.tokens = event.tokens;
    fold.loss = event.loss;
    fold.seconds += event.seconds;
  }
  if (event.at === 'evaluated') fold.heldOutLoss = event.loss;
  if (event.at === 'stopped') {
    if (event.error) fold.error = event.error;
    else delete fold.error;
  }
}

/**
 * By which number events of a kind are thinned; kinds without one are all kept, the newest of those in
 * `latest`.
 */
const measures: Readonly<Partial<Record<RunEvent['at'], (event: never) => number>>> = {
  step: (e: { loss: number }) => e.loss,
  evaluated: (e: { loss: number }) => e.loss,
  averaged: (e: { loss: number }) => e.loss,
  asymmetry: (e: { value: number }) => e.value,
  reading: (e: { memory: number | null }) => e.memory ?? 0,
};
const latest: Readonly<Partial<Record<RunEvent['at'], number>>> = {
  saved: 200,
  sample: 200,
  skipped: 1000,
  preparing: 1,
};

interface Thinning {
  take(event: RunEvent): void;
  events(): Pick<RunHistory, 'events' | 'whole'>;
}

function thinning(): Thinning {
  interface Lined {
    readonly line: number;
    readonly event: RunEvent;
    readonly elapsed: number;
  }
  const thinners = new Map<string, Thinner<Lined>>();
  const others: Lined[] = [];
  const counts = new Map<string, number>();
  let line = 0;
  let elapsed = 0;
  return {
    take(event) {
      if (event.at === 'step') elapsed += event.seconds;
      const lined = { line: line++, event, elapsed };
      const measure = measures[event.at] as ((e: RunEvent) => number) | undefined;
      if (measure) {
        if (!thinners.has(event.at))
          thinners.set(
            event.at,
            thinner<Lined>(event.at === 'step' ? mostSteps : mostOthers, (l) => measure(l.event)),
          );
        thinners.get(event.at)!.take(lined);
        return;
      }
      others.push(lined);
      const most = latest[event.at];
      const count = (counts.get(event.at) ?? 0) + 1;
      counts.set(event.at, count);
      if (most === undefined || count <= most) return;
      others.splice(
        others.findIndex((o) => o.event.at === event.at),
        1,
      );
      counts.set(event.at, most);
    },
    events() {
      const kept = [
        ...[...thinners.values()].flatMap((t) => t.kept().map(({ point }) => point)),
        ...others,
      ].sort((a, b) => a.line - b.line);
      const whole = kept.length === line;
      return {
        events: kept.map(({ event, elapsed }) =>
          event.at === 'step' && !whole ? { ...event, elapsed } : event,
        ),
        whole,
      };
    },
  };
}

/** Whole lines of the file from byte `from` to `to`, a block's at once, each with the byte after it. */
async function* linesOf(
  file: FileHandle,
  from: number,
  to: number,
): AsyncGenerator<readonly (readonly [text: string, end: number])[]> {
  let kept: Buffer = Buffer.alloc(0);
  let at = from;
  while (at < to) {
    const read = await bytesOf(file, at, Math.min(to, at + block));
    if (read.length === 0) return;
    const bytes = kept.length > 0 ? Buffer.concat([kept, read]) : read;
    const base = at - kept.length;
    const lines: (readonly [string, number])[] = [];
    let begin = 0;
    for (let end = bytes.indexOf(10); end >= 0; begin = end + 1, end = bytes.indexOf(10, begin))
      lines.push([bytes.toString('utf8', begin, end), base + end + 1]);
    yield lines;
    kept = Buffer.from(bytes.subarray(begin));
    at += read.length;
  }
}

/** The file, or undefined while there is none. */
async function opened(dir: string): Promise<FileHandle | undefined> {
  return open(eventsFile(dir), 'r').catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw readFailure(eventsFile(dir), error);
  });
}

/** `look` with what was written since; a file that was cut back or written anew is read from its start. */
async function further(dir: string, before: Look | undefined): Promise<Look> {
  const file = await opened(dir);
  if (!file) return fresh();
  try {
    const { size } = await file.stat();
    const look =
      before && (await continues(file, before, size)) ? before : ((await resting(dir, size)) ?? fresh());
    for await (const lines of linesOf(file, look.offset, size))
      for (const [text, end] of lines) {
        if (look.lines % stride === 0) look.index.push([look.fold.step, look.offset]);
        const event = eventOf(eventsFile(dir), text, ++look.lines);
        add(look.fold, event);
        look.thin.take(event);
        [look.offset, look.lastLine, look.kept] = [end, text, false];
      }
    return look;
  } finally {
    await file.close();
  }
}

/**
 * Whether the file still begins with what was read of it: it is no shorter, and its last line read is where
 * it was.
 */
async function continues(
  file: FileHandle,
  { offset, lastLine, lines, resting }: Look,
  size: number,
): Promise<boolean> {
  if (size < offset || resting) return size === offset;
  if (lines === 0) return true;
  const length = Buffer.byteLength(lastLine) + 1;
  return (await bytesOf(file, offset - length, offset)).toString('utf8') === `${lastLine}\n`;
}

/**
 * What is kept beside a run, if it is of this very file. It can't be read on from; a run that goes on is read
 * from its start once.
 */
async function resting(dir: string, size: number): Promise<Look | undefined> {
  const digest = (await readObject(digestFile(dir)).catch(() => undefined)) as Digest | undefined;
  if (digest?.version !== 1 || digest.size !== size || !Array.isArray(digest.index)) return undefined;
  return {
    ...fresh(),
    offset: size,
    lines: digest.lines,
    fold: digest.fold,
    index: digest.index,
    kept: true,
    resting: true,
  };
}

async function keep(dir: string, look: Look): Promise<void> {
  if (look.kept || look.lines < worthKeeping || (await activityOf(dir)) !== null) return;
  look.kept = true;
  await writeJson(historyFile(dir), {
    ...look.thin.events(),
    lines: look.lines,
    offset: look.offset,
  } satisfies RunHistory);
  await writeJson(digestFile(dir), {
    version: 1,
    size: look.offset,
    lines: look.lines,
    fold: look.fold,
    index: look.index,
  } satisfies Digest);
}

/** Looks that are under way or done, by folder; one at a time for each. */
const looks = new Map<string, Promise<Look>>();

async function lookAgain(dir: string): Promise<Look> {
  const before = looks.get(dir);
  const now = (async () => further(dir, await before?.catch(() => undefined)))();
  looks.set(dir, now);
  try {
    const look = await now;
    await keep(dir, look).catch(() => undefined); // a folder that can't be written is read again next time
    return look;
  } catch (error) {
    looks.delete(dir);
    throw error;
  }
}

/** What the events of a run say of it now. */
export const foldOf = async (dir: string): Promise<Readonly<Fold>> => ({ ...(await lookAgain(dir)).fold });

/** A run's events, thinned; with `from` and `to` those of steps between them, thinned to as many. */
export async function historyOf(
  dir: string,
  range?: { readonly from: number; readonly to: number },
): Promise<RunHistory> {
  const look = await lookAgain(dir);
  const { lines, offset } = look;
  if (range) return { ...(await stretchOf(dir, look, range)), lines, offset };
  if (!look.resting) return { ...look.thin.events(), lines, offset };
  const kept = (await readObject(historyFile(dir)).catch(() => undefined)) as RunHistory | undefined;
  if (kept?.offset === offset && Array.isArray(kept.events)) return kept;
  await rm(digestFile(dir), { force: true }); // half of what was kept is gone: the lines themselves are read
  looks.delete(dir);
  return historyOf(dir);
}

async function stretchOf(
  dir: string,
  look: Look,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Pick<RunHistory, 'events' | 'whole'>> {
  const file = await opened(dir);
  const thin = thinning();
  if (!file) return thin.events();
  // A run that went back has steps in several places: every part of the file that may hold some is read.
  const parts = look.index.flatMap(([step, offset], i): (readonly [number, number])[] => {
    const [after, end] = look.index[i + 1] ?? [look.fold.step, look.offset];
    return Math.max(step, after) >= from && Math.min(step, after) <= to ? [[offset, end]] : [];
  });
  let lines = 0;
  try {
    for (const [offset, end] of parts)
      for await (const some of linesOf(file, offset, end))
        for (const [text] of some) {
          const event = eventOf(eventsFile(dir), text, ++lines);
          if (event.at === 'step' && event.step >= from && event.step <= to) thin.take(event);
        }
    return thin.events();
  } finally {
    await file.close();
  }
}
