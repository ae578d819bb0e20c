/** @file A run at a glance, folded from its events; only lines that are new since the last look are read. */
import { basename, resolve } from 'node:path';
import type { ErrorData } from '../base/errors.ts';
import type { RunCard, RunEvent } from '../train/run.ts';
import { stepsOf } from '../train/schedule.ts';
import { eventReader, eventsFile } from './events.ts';
import { newestStep, readRun, stateOf } from './run-folder.ts';

interface Fold { step: number; steps: number; tokens: number; loss: number | null; heldOutLoss: number | null; seconds: number; error?: ErrorData | undefined; newest?: RunEvent }
interface Look { readonly next: ReturnType<typeof eventReader>['next']; fold: Fold; lines: number }

const empty = (): Fold => ({ step: 0, steps: 0, tokens: 0, loss: null, heldOutLoss: null, seconds: 0 });

function add(fold: Fold, event: RunEvent): void {
  fold.newest = event;
  if (event.at !== 'preparing') fold.step = event.step;
  if (event.at === 'started') { fold.steps = event.steps; fold.error = undefined; }
  if (event.at === 'rescheduled') fold.steps = event.steps;
  if (event.at === 'step') { fold.tokens = event.tokens; fold.loss = event.loss; fold.seconds += event.seconds; }
  if (event.at === 'evaluated') fold.heldOutLoss = event.loss;
  if (event.at === 'stopped') fold.error = event.error;
}

/** Looks that are under way or done, by folder; one at a time for each. */
const looks = new Map<string, Promise<Look>>();

async function lookAgain(dir: string): Promise<Fold> {
  const before = looks.get(dir);
  const now = (async (): Promise<Look> => {
    let look = await before?.catch(() => undefined) ?? fresh(dir), batch = await look.next();
    if (batch.from < look.lines) { look = fresh(dir); batch = await look.next(); }        // a resume took lines back
    for (const event of batch.events) add(look.fold, event);
    look.lines = batch.from + batch.events.length;
    return look;
  })();
  looks.set(dir, now);
  try { return (await now).fold; } catch (error) { looks.delete(dir); throw error; }
}
const fresh = (dir: string): Look => ({ next: eventReader(eventsFile(dir)).next, fold: empty(), lines: 0 });

/** The run in `dir` as it is now. */
export async function runCard(folder: string): Promise<RunCard> {
  const dir = resolve(folder), { name, created, checkpoint, data, settings } = await readRun(dir);
  const { newest, error, ...fold } = { ...await lookAgain(dir) }, state = await stateOf(dir, newest);
  return {
    id: basename(dir), dir, name, checkpoint, data, settings, state, created, ...fold,
    steps: fold.steps || stepsOf(settings),
    ...(error && state === 'failed' ? { error } : {}),
    savedStep: (await newestStep(dir))?.step ?? null,
  };
}
