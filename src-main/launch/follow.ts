/**
 * @file Follows a job through the files of its work folder: passes requests on, and returns its events. What was read
 * is remembered, so that a later session reads the rest.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { refuse } from '../base/errors.ts';
import type { RunEvent } from '../train/run.ts';
import { readTail } from '../store/data/text-tail.ts';
import { readJsonIfValid, writeOrRefuse, writeText } from '../store/fs/files.ts';
import { createEventReader, type EventReader } from '../store/run/events.ts';
import type { Job, JobEnd } from './job.ts';
import { checkTrainerEvent } from './trainer-errors.ts';
import { decayFile, eventsFile, logFile, shardedFolder, stopFile } from './work/work-folder.ts';

const positionFile = 'read.json';
const pollMilliseconds = 100;
/** Characters of the log that an error repeats. */
const quotedCharacters = 2000;
const quotedBytes = 4 * quotedCharacters;

const storedPosition = z.object({ line: z.number().int().min(0) });

/** The step of the newest sharded checkpoint; 0 if there is none. */
export async function newestShardedStep(work: string): Promise<number> {
  const names = await readdir(join(work, shardedFolder)).catch(() => []);
  return Math.max(0, ...names.map((name) => Number(/^step-(\d{6,})$/.exec(name)?.[1] ?? 0)));
}

/** Lines of the trainer's events that a session has not read. */
export interface Unread {
  readonly events: readonly (RunEvent | null)[];
  /** The first of `events` that comes after the events of the newest checkpoint. */
  readonly afterCheckpoint: number;
  /** Lines of the file so far, and a reader of those that follow. */
  readonly lines: number;
  readonly reader: EventReader;
}

/**
 * The events that the trainer wrote while nobody followed it. `step` is that of the newest checkpoint: the run has
 * dropped its events of later steps, so they count as unread.
 */
export async function readUnread(work: string, step: number): Promise<Unread> {
  const reader = createEventReader(join(work, eventsFile));
  const { events } = await reader.next();
  const position = storedPosition.safeParse(await readJsonIfValid(join(work, positionFile)));
  const line = position.success ? position.data.line : events.length;
  const isCovered = (event: RunEvent | null): boolean =>
    event === null || event.type === 'preparing' || event.step <= step;
  const cut = events.findLastIndex(isCovered) + 1;
  const first = Math.min(line, cut);
  return { events: events.slice(first), afterCheckpoint: cut - first, lines: events.length, reader };
}

export interface JobRequests {
  isStopRequested(): boolean;
  decayRequest(): { readonly steps?: number } | undefined;
}

/** The events of a job until it has ended. Throws `torch/failed` if it ends without its last event. */
export async function* followJob(
  work: string,
  job: Job,
  requests: JobRequests,
  reader: EventReader = createEventReader(join(work, eventsFile)),
): AsyncGenerator<RunEvent> {
  const requester = createRequester(work, job, requests);
  let end: JobEnd | undefined;
  let failure: unknown;
  const ended = job.ended.then(
    (found) => {
      end = found;
    },
    (error: unknown) => {
      failure = error;
      end = { code: null, how: 'it could not be followed' };
    },
  );
  let last: RunEvent | undefined;
  try {
    for (;;) {
      await requester.pass();
      const hadEnded = end;
      for await (const event of readNew(work, reader)) {
        last = event;
        yield event;
      }
      if (hadEnded) break;
      await Promise.race([ended, wait(pollMilliseconds)]);
    }
  } finally {
    job.leave();
  }
  if (failure !== undefined) throw failure as Error;
  if (last?.type === 'stopped') return;
  if (requester.wasWaiting()) refuse('cancelled', { what: 'The job' });
  await refuseFailure(work, end!);
}

/** New events, and then the position after them: a session that is killed here reads them again. */
async function* readNew(work: string, reader: EventReader): AsyncGenerator<RunEvent> {
  const { from, events } = await reader.next();
  if (events.length === 0) return;
  for (const event of events) if (event) yield checkTrainerEvent(event, join(work, logFile));
  await rememberPosition(work, from + events.length);
}

export const rememberPosition = (work: string, line: number): Promise<void> =>
  writeText(join(work, positionFile), JSON.stringify({ line }), { isDurable: false });

interface Requester {
  pass(): Promise<void>;
  /** True if the run was asked to stop before its job had begun. */
  wasWaiting(): boolean;
}

/** Passes the requests of a person on to the trainer, each once. */
function createRequester(work: string, job: Job, requests: JobRequests): Requester {
  let hasStopped = false;
  let hasDecayed = false;
  let wasWaiting = false;
  return {
    async pass() {
      const decay = requests.decayRequest();
      if (decay && !hasDecayed) await writeText(join(work, decayFile), String(decay.steps ?? ''));
      hasDecayed = decay !== undefined;
      if (hasStopped || !requests.isStopRequested()) return;
      hasStopped = true;
      await writeText(join(work, stopFile), '');
      wasWaiting = await job.onStopRequested();
    },
    wasWaiting: () => wasWaiting,
  };
}

async function refuseFailure(work: string, { how }: JobEnd): Promise<never> {
  const log = await readTail(join(work, logFile), quotedBytes).catch(() => '');
  return refuse('torch/failed', {
    how,
    log: join(work, logFile),
    lines: log.trim().slice(-quotedCharacters),
  });
}

/** Makes the folder of a job. Runs are private, and so is their text. */
export const makeWorkFolder = (work: string): Promise<unknown> =>
  writeOrRefuse(work, () => mkdir(work, { recursive: true, mode: 0o700 }));
