/**
 * @file A job on this computer: starts the trainer in its work folder and follows its events. A trainer that outlived
 * the Cambium that started it saves and stops by itself; the next session reads what it wrote meanwhile.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../base/errors.ts';
import type { RunEvent } from '../train/run.ts';
import { readJsonIfValid, writeJson, writeOrRefuse, writeText } from '../store/fs/files.ts';
import { getProcessStart } from '../store/fs/process.ts';
import { createEventReader, type EventReader } from '../store/run/events.ts';
import { killGroup, type RunningCommand } from './commands.ts';
import { checkTrainerEvent } from './trainer-errors.ts';
import { decayFile, eventsFile, logFile, shardedFolder, stopFile } from './work/work-folder.ts';

const positionFile = 'read.json';
const processFile = 'process.json';
const pollMilliseconds = 100;
/** Characters of the log that an error repeats. */
const quotedCharacters = 2000;

const storedPosition = z.object({ line: z.number().int().min(0) });
const storedProcess = z.object({ pid: z.number().int().positive(), born: z.string().nullable() });

/** Ends a trainer of this work folder that still runs. Two of them would write the same files. */
export async function endFormerTrainer(work: string): Promise<void> {
  const path = join(work, processFile);
  const stored = storedProcess.safeParse(await readJsonIfValid(path));
  if (!stored.success) return;
  const { pid, born } = stored.data;
  const start = getProcessStart(pid);
  if (start !== null && start === born) killGroup(pid);
  await rm(path, { force: true });
}

/** The step of the newest sharded checkpoint; 0 if there is none. */
export async function newestShardedStep(work: string): Promise<number> {
  const names = await readdir(join(work, shardedFolder)).catch(() => []);
  return Math.max(0, ...names.map((name) => Number(/^step-(\d{6,})$/.exec(name)?.[1] ?? 0)));
}

/** The events that a trainer wrote after its Cambium had ended, up to step `last`. */
export async function readMissedEvents(work: string, last: number): Promise<readonly RunEvent[]> {
  const position = storedPosition.safeParse(await readJsonIfValid(join(work, positionFile)));
  if (!position.success) return [];
  const { events } = await createEventReader(join(work, eventsFile)).next();
  return events
    .slice(position.data.line)
    .filter((event) => event !== null)
    .filter((event) => event.type !== 'preparing' && event.step <= last);
}

export interface JobRequests {
  isStopRequested(): boolean;
  decayRequest(): { readonly steps?: number } | undefined;
}

/** The events of a job until it has ended. Throws `torch/failed` if it ends without its last event. */
export async function* followJob(
  work: string,
  job: RunningCommand,
  requests: JobRequests,
): AsyncGenerator<RunEvent> {
  await writeJson(join(work, processFile), { pid: job.pid, born: getProcessStart(job.pid) });
  const reader = createEventReader(join(work, eventsFile));
  const requester = createRequester(work, requests);
  let end: { readonly code: number | null } | undefined;
  const ended = job.exited.then((code) => {
    end = { code };
  });
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
    job.kill();
    await rm(join(work, processFile), { force: true });
  }
  if (last?.type !== 'stopped') await refuseFailure(work, end?.code ?? null);
}

/** New events, and then the position after them: a session that is killed here reads them again. */
async function* readNew(work: string, reader: EventReader): AsyncGenerator<RunEvent> {
  const { from, events } = await reader.next();
  if (events.length === 0) return;
  for (const event of events) if (event) yield checkTrainerEvent(event, join(work, logFile));
  const position = { line: from + events.length };
  await writeText(join(work, positionFile), JSON.stringify(position), { isDurable: false });
}

/** Passes the requests of a person on to the trainer, each once. */
function createRequester(work: string, requests: JobRequests): { pass(): Promise<void> } {
  let hasStopped = false;
  let hasDecayed = false;
  return {
    async pass() {
      const decay = requests.decayRequest();
      if (decay && !hasDecayed) await writeText(join(work, decayFile), String(decay.steps ?? ''));
      hasDecayed = decay !== undefined;
      if (!hasStopped && requests.isStopRequested()) {
        hasStopped = true;
        await writeText(join(work, stopFile), '');
      }
    },
  };
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function refuseFailure(work: string, code: number | null): Promise<never> {
  const log = await readFile(join(work, logFile), 'utf8').catch(() => '');
  const how = code === null ? 'it was ended by a signal' : `exit code ${code}`;
  return refuse('torch/failed', {
    how,
    log: join(work, logFile),
    lines: log.trim().slice(-quotedCharacters),
  });
}

/** Makes the folder of a job. Runs are private, and so is their text. */
export const makeWorkFolder = (work: string): Promise<unknown> =>
  writeOrRefuse(work, () => mkdir(work, { recursive: true, mode: 0o700 }));
