/** @file A run, step after step: feed, update, report, save. Every event is in the run's file before it is sent; stopping is answered between two steps. */
import { join } from 'node:path';
import { dataOf, refuse } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import { aborter, type AbortSignalLike } from '../contract/rpc.ts';
import type { RunEvent } from '../contract/schema.ts';
import { parameterCount } from '../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint.ts';
import { openHome } from '../store/home.ts';
import { newestStep, openSession, readRun, type RunSession } from '../store/runs.ts';
import { openTokenizer, type TextTokenizer } from '../store/tokenizer.ts';
import { openTokens, tokenizeFiles, type TokenSet, type Tokens } from '../store/tokens.ts';
import { splitTokens, windowsIn, windowStarts } from '../train/batches.ts';
import type { RunSettings } from '../train/run.ts';
import { stepsOf, tokensPerStep } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { chooseDevice } from './choose.ts';
import { generate } from './generate.ts';
import type { TrainInput } from './inputs.ts';
import type { Device } from './ort/device.ts';
import { lossMeter } from './programs.ts';
import { anyOf, nativeSignal } from './signals.ts';
import { loadNewest, modelFolder, saveCheckpoint, type StepRecord } from './step-checkpoint.ts';
import { Training } from './training.ts';
import { fromCheckpoint, fromRandom, load, positionsOf, ratesOf, type Loaded } from './weights.ts';

/** At most this many held-out windows are read at an evaluation. */
const heldOutWindows = 64;
/** Tokens of a sample. */
const sampleTokens = 64;

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

interface Sitting {
  readonly dir: string; readonly run: RunSettings; readonly base: Checkpoint; readonly tokens: Tokens; readonly device: Device; readonly steps: number;
  stop(): boolean;
  begin(): Promise<void>;
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

async function* steppedThrough({ dir, run, base, tokens, device, steps, stop, begin }: Sitting, loaded: Loaded, training: Training, record: StepRecord | undefined): AsyncGenerator<RunEvent> {
  const s = run.settings, split = splitTokens(tokens.length, s.heldOut, s.sequence), now = (): string => new Date().toISOString();
  const held = heldOut(tokens, split.train, s.sequence), tokenizer = await openTokenizer(base.dir);
  let side = base.dir;                                                 // after a resume that is a saved step, which later ones will push out
  let step = record?.step ?? 0, seconds = record?.seconds ?? 0, saved = step;
  const evaluated = async (): Promise<RunEvent> => ({ at: 'evaluated', step, loss: await heldOutLoss(device, loaded, s, held), tokens: held.length * s.sequence });
  const save = async (): Promise<RunEvent> => {
    const folder = await saveCheckpoint(device, dir, base, loaded, { version: 1, step, tokens: step * tokensPerStep(s), seconds, trainTokens: split.train }, side);
    side = join(folder, modelFolder);
    saved = step;
    return { at: 'saved', step, dir: folder };
  };
  await begin();
  yield { at: 'started', step, device: device.kind, deviceName: device.name, parameters: parameterCount(base.family, base.dims, base.settings), steps, trainTokens: split.train, heldOutTokens: split.heldOut, time: now() };
  if (!record && held.length > 0) yield await evaluated();
  const every = (n: number): boolean => n > 0 && step % n === 0;
  while (step < steps && !stop()) {
    const began = performance.now();
    const report = await training.step(step + 1, (i, into) => {
      windowStarts(step * s.accumulate + i, { batch: s.batch, sequence: s.sequence, seed: s.seed, train: split.train })
        .forEach((start, row) => { tokens.read(start, s.sequence + 1, into.subarray(row * (s.sequence + 1), (row + 1) * (s.sequence + 1))); });
    });
    step++;
    for (const what of ['loss', 'norm'] as const) if (!Number.isFinite(report[what])) refuse('run/not-finite', { step, what: what === 'norm' ? 'gradient norm' : what });
    const took = (performance.now() - began) / 1000;
    seconds += took;
    yield { at: 'step', step, ...report, tokens: step * tokensPerStep(s), seconds: took };
    const last = step === steps;
    if (held.length > 0 && (last || every(s.evaluateEvery))) yield await evaluated();
    if (last || every(s.sampleEvery)) yield await sampled(device, loaded, tokenizer, s, step);
    if (last || every(s.saveEvery)) yield await save();
  }
  if (saved !== step || step === 0) yield await save();
  yield { at: 'stopped', step, reason: step >= steps ? 'finished' : 'asked', time: now() };
}

async function heldOutLoss(device: Device, loaded: Loaded, { batch, sequence }: TrainingSettings, held: readonly Int32Array[]): Promise<number> {
  const meter = await lossMeter(device, loaded, { batch, sequence });
  try { return await meter.mean(held); } finally { await meter.dispose(); }
}

/** Windows of the held-out text, spread evenly over it. */
function heldOut(tokens: Tokens, from: number, sequence: number): readonly Int32Array[] {
  const windows = windowsIn(tokens.length - from, sequence), taken = Math.min(windows, heldOutWindows);
  return Array.from({ length: taken }, (_, i) => tokens.read(from + Math.floor((i * windows) / taken) * sequence, sequence + 1));
}

/** A few words of the model's own, after the prompt or from the beginning of a text. */
async function sampled(device: Device, loaded: Loaded, tokenizer: TextTokenizer, { prompt, seed }: TrainingSettings, step: number): Promise<RunEvent> {
  const before = tokenizer.encode(prompt), first = before.length > 0 ? before : [tokenizer.bos ?? tokenizer.eos ?? 0];
  const stops = tokenizer.eos === null ? [] : [tokenizer.eos], writing = tokenizer.stream(first);
  let text = '';
  for await (const token of generate(device, loaded, first, sampleTokens, { temperature: 0.8, seed, stops })) text += writing.push(token);
  return { at: 'sample', step, prompt, text: text + writing.end() };
}
