/** @file A sitting of a run: its folder held, its text read, its device opened, its state loaded; run-loop.ts does the steps. Every event is in the run's file before it is sent. */
import { join } from 'node:path';
import { dataOf, refuse } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import { aborter, type AbortSignalLike } from '../contract/rpc.ts';
import type { RunEvent } from '../contract/schema.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint.ts';
import { openHome } from '../store/home.ts';
import { newestStep, openSession, readRun, type RunSession } from '../store/runs.ts';
import { openTokens, tokenizeFiles, type TokenSet } from '../store/tokens.ts';
import { splitTokens, windowsIn } from '../train/batches.ts';
import type { RunSettings } from '../train/run.ts';
import { stepsOf } from '../train/schedule.ts';
import { chooseDevice } from './choose.ts';
import type { TrainInput } from './inputs.ts';
import { steppedThrough, type Sitting } from './run-loop.ts';
import { anyOf, nativeSignal } from './signals.ts';
import { loadNewest, modelFolder } from './step-checkpoint.ts';
import { Training } from './training.ts';
import { fromCheckpoint, fromRandom, load, positionsOf, ratesOf } from './weights.ts';

/** Trains a run from its newest complete checkpoint, or from its start, until it is done, told to stop, or fails. */
export async function* train({ run: dir }: TrainInput, signal: AbortSignalLike): AsyncGenerator<RunEvent> {
  const run = await readRun(dir), newest = await newestStep(dir), session = await openSession(dir, { after: newest?.step ?? 0 });
  let step = newest?.step ?? 0, failed = false;
  try {
    for await (const event of sitting(dir, run, session, signal)) {
      if ('step' in event) ({ step } = event);
      await session.append(event);
      yield event;
    }
  } catch (error) {
    failed = true;
    const data = dataOf(error), time = new Date().toISOString();
    const event: RunEvent = data.code === 'cancelled' ? { at: 'stopped', step, reason: 'asked', time } : { at: 'stopped', step, reason: 'failed', error: data, time };
    await session.append(event).catch(() => undefined);                // a disk that is full takes no last line; whoever listens is told
    yield event;
  } finally { await session.close().catch((error: unknown) => { if (!failed) throw error; }); }
}

/** Everything between opening the run's folder and closing it, as events. */
async function* sitting(dir: string, run: RunSettings, session: RunSession, signal: AbortSignalLike): AsyncGenerator<RunEvent> {
  const s = run.settings, newest = await newestStep(dir), steps = stepsOf(s);
  if (newest && newest.step >= steps) refuse('run/finished', { run: run.name, steps });
  const base = await openCheckpoint(newest ? join(newest.dir, modelFolder) : run.checkpoint);
  const longest = positionsOf(base), stop = (): boolean => signal.aborted || session.stopAsked();
  if (s.sequence > longest) refuse('run/bad-setting', { setting: 'sequence', why: `is ${s.sequence}, but the model has ${longest} positions` });
  await session.setState('preparing');
  const set = yield* tokenized(run, base, signal, stop), tokens = await openTokens(set.folders);
  try {
    const device = await chooseDevice(s.device, s.threads);
    try { yield* trained({ dir, run, base, tokens, device, steps, stop, begin: () => session.setState('running') }); } finally { await device.dispose(); }
  } finally { tokens.close(); }
}

/** Tokens of the run's text, with progress. Refuses `cancelled` when told to stop. */
async function* tokenized({ data }: RunSettings, base: Checkpoint, signal: AbortSignalLike, stop: () => boolean): AsyncGenerator<RunEvent, TokenSet> {
  const events = queue<RunEvent>(), { signal: both, abort } = aborter();
  const forward = anyOf(signal, both);
  let shown = -1;
  const onProgress = (done: number, of: number): void => {
    if (stop()) abort();
    const percent = Math.floor((100 * done) / Math.max(1, of));
    if (percent > shown) { shown = percent; events.push({ at: 'preparing', what: 'reading the text', done, of }); }
  };
  const cache = await openHome().cache('tokens');
  const work = tokenizeFiles({ files: data, tokenizer: base.dir, vocab: base.dims['vocab']!, cache, onProgress, signal: nativeSignal(forward) });
  work.then(() => { events.end(); }, (error: unknown) => { events.fail(error); });
  try { yield* events; return await work; } finally { abort(); }
}

/** From the newest complete checkpoint, or the start, to the end. */
async function* trained(sitting: Sitting): AsyncGenerator<RunEvent> {
  const { dir, run, base, tokens, device } = sitting, s = run.settings, split = splitTokens(tokens.length, s.heldOut, s.sequence);
  if (windowsIn(split.train, s.sequence) === 0) refuse('data/empty', { path: run.data.join(', '), tokens: tokens.length, needed: s.sequence + 1 });
  const rates = s.rates === 'plan' && s.start === 'source' ? ratesOf(base) : new Map<string, number>();
  const resumed = await loadNewest(device, dir, rates);
  const loaded = resumed?.loaded ?? await load(device, base, s.start === 'source' ? fromCheckpoint(base) : fromRandom(base, s.seed), rates);
  try {
    if (resumed && resumed.record.trainTokens !== split.train) refuse('run/damaged', { run: run.name, why: `it was trained on ${resumed.record.trainTokens} tokens of text, but the text gives ${split.train} now` });
    const training = await Training.open(device, loaded, s);
    try { yield* steppedThrough(sitting, loaded, training, resumed?.record); } finally { await training.dispose(); }
  } finally { loaded.dispose(); }
}
