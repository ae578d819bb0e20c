/**
 * @file A sitting of a run: its folder held, its text read, its device opened, its state loaded; run-loop.ts
 * does the steps. Every event is in the run's file before it is sent.
 */
import { join } from 'node:path';
import { dataOf, refuse } from '../../base/errors.ts';
import { queue } from '../../base/queue.ts';
import { aborter, type AbortSignalLike, anyOf } from '../../base/signals.ts';
import type { RunEvent } from '../../contract/schema.ts';
import { parameterCount } from '../../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openHome } from '../../store/home/home.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import { newestStep, openSession, readRun, type RunSession } from '../../store/run/runs.ts';
import { openTokens, tokenizeFiles, type TokenSet } from '../../store/data/tokens.ts';
import { controllerOf } from '../../store/fs/signals.ts';
import { partsOf, trainTokensIn, windowsIn, type TextPart } from '../../train/batches.ts';
import type { RunSettings } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import { startFromCarried } from '../grow/carried-moments.ts';
import { advised } from './advice.ts';
import { chooseDevice } from '../device/choose.ts';
import type { TrainInput } from '../inputs.ts';
import { adapterOf } from '../ort/adapters.ts';
import type { Device } from '../ort/device.ts';
import { openMeter, type Meter } from './meter.ts';
import { steppedThrough, type Back, type Sitting } from './run-loop.ts';
import { loadNewest } from './step-checkpoint.ts';
import { Training } from './training.ts';
import {
  factorsOf,
  fromCheckpoint,
  fromRandom,
  load,
  positionsOf,
  retyped,
  type Loaded,
  type TrainedBy,
  type WeightSource,
} from '../model/weights.ts';

/**
 * Trains a run from its newest complete checkpoint, or from its start, until it is done, told to stop, or
 * fails.
 */
export async function* train({ run: dir }: TrainInput, signal: AbortSignalLike): AsyncGenerator<RunEvent> {
  const run = await readRun(dir);
  const newest = await newestStep(dir);
  const session = await openSession(dir, { after: newest?.step ?? 0 });
  let step = newest?.step ?? 0;
  let failed = false;
  let meter: Meter | undefined;
  try {
    meter = await openMeter(dir, run.settings);
    for await (const happened of sitting(dir, run, session, signal, meter))
      for (const event of await meter.take(happened)) {
        if ('step' in event) ({ step } = event);
        await session.append(event);
        if (event.at === 'saved') await session.sync();
        yield event;
      }
  } catch (error) {
    failed = true;
    const data = await advised(dataOf(error), run);
    const time = new Date().toISOString();
    const event: RunEvent =
      data.code === 'cancelled'
        ? { at: 'stopped', step, reason: 'asked', time }
        : { at: 'stopped', step, reason: 'failed', error: data, time };
    for (const last of (await meter?.take(event).catch(() => [event])) ?? [event]) {
      // a disk that is full takes no last line; whoever listens is told
      await session.append(last).catch(() => undefined);
      yield last;
    }
  } finally {
    meter?.close();
    await session.close().catch((error: unknown) => {
      if (!failed) throw error;
    });
  }
}

/** Everything between opening the run's folder and closing it, as events. */
async function* sitting(
  dir: string,
  run: RunSettings,
  session: RunSession,
  signal: AbortSignalLike,
  meter: Meter,
): AsyncGenerator<RunEvent> {
  const s = run.settings;
  const newest = await newestStep(dir);
  const steps = stepsOf(s);
  if (newest && newest.step >= steps) refuse('run/finished', { run: run.name, steps });
  const { checkpoint: base, weights } = retyped(
    await openCheckpoint(newest ? join(newest.dir, modelFolder) : run.checkpoint),
    'float32',
  ); // what is trained and saved
  const longest = positionsOf(base);
  const stop = (): boolean => signal.aborted || session.stopAsked() || meter.reached();
  if (s.sequence > longest)
    refuse('run/bad-setting', {
      setting: 'sequence',
      why: `is ${s.sequence}, but the model has ${longest} positions`,
    });
  await session.setState('preparing');
  const set = yield* tokenized(run, base, signal, stop);
  const tokens = await openTokens(set.folders);
  const parts = textParts(run, set);
  try {
    const device = await chooseDevice(s.device, s.threads, { tf32: s.tf32 === 'on' });
    try {
      yield* trained({ dir, run, base, tokens, parts, device, session, stop, joules: meter.joules }, weights);
    } finally {
      await device.dispose();
    }
  } finally {
    tokens.close();
  }
}

/** Tokens of the run's text, with progress. Refuses `cancelled` when told to stop. */
async function* tokenized(
  { data, field }: RunSettings,
  base: Checkpoint,
  signal: AbortSignalLike,
  stop: () => boolean,
): AsyncGenerator<RunEvent, TokenSet> {
  const events = queue<RunEvent>();
  const { signal: both, abort } = aborter();
  const forward = anyOf(signal, both);
  let shown = -1;
  const onProgress = (done: number, of: number): void => {
    if (stop()) abort();
    const percent = Math.floor((100 * done) / Math.max(1, of));
    if (percent > shown) {
      shown = percent;
      events.push({ at: 'preparing', what: 'reading the text', done, of });
    }
  };
  const cache = await openHome().cache('tokens');
  const work = tokenizeFiles({
    data,
    field,
    tokenizer: base.dir,
    vocab: base.dims['vocab']!,
    cache,
    onProgress,
    signal: controllerOf(forward).signal,
  });
  work.then(
    () => {
      events.end();
    },
    (error: unknown) => {
      events.fail(error);
    },
  );
  try {
    yield* events;
    return await work;
  } finally {
    abort();
  }
}

/**
 * What is drawn from: all text as one, or each of the data by its weight. Refuses `data/empty` where one is
 * shorter than a window.
 */
function textParts(
  { data, weights, settings: { heldOut, sequence } }: RunSettings,
  { lengths, tokens }: TokenSet,
): readonly TextPart[] {
  const parts = partsOf(
    weights ? lengths.map((length, i) => ({ tokens: length, weight: weights[i]! })) : [{ tokens, weight: 1 }],
    heldOut,
    sequence,
  );
  for (const [i, part] of parts.entries())
    if (windowsIn(part.train, sequence) === 0)
      refuse('data/empty', {
        path: weights ? data[i]! : data.join(', '),
        tokens: part.train + part.heldOut,
        needed: sequence + 1,
      });
  return parts;
}

/**
 * From the newest complete checkpoint, or the start, to the end; and back there after steps that were not
 * finite, as often as the settings allow.
 */
async function* trained(
  sitting: Omit<Sitting, 'deviceSeconds'>,
  weights: WeightSource,
): AsyncGenerator<RunEvent> {
  const { dir, run, base, parts, device, session } = sitting;
  const { settings: s, name } = run;
  const trainTokens = trainTokensIn(parts);
  const heldOutTokens = parts.reduce((n, part) => n + part.heldOut, 0);
  const since = performance.now();
  const by: TrainedBy & { ema: number } = {
    optimizer: s.optimizer,
    ema: s.ema,
    ...(s.rates === 'plan' && s.start === 'source' ? { factors: factorsOf(base) } : {}),
  };
  const teacher = s.distill > 0 ? await sourceOf(device, base) : undefined;
  let back: Back | undefined;
  let began: { readonly spent: number } | undefined;
  try {
    do {
      const resumed = await loadNewest(device, dir, by);
      const { record } = resumed ?? {};
      const loaded =
        resumed?.loaded ??
        (await load(device, base, s.start === 'source' ? weights : fromRandom(base, s.seed), by));
      try {
        if (record && record.trainTokens !== trainTokens)
          refuse('run/damaged', {
            run: name,
            why: `it was trained on ${record.trainTokens} tokens of text, but the text gives ${trainTokens} now`,
          });
        const carried = resumed || s.start !== 'source' ? 0 : await startFromCarried(device, base, loaded);
        const training = await Training.open(device, loaded, s, teacher, record?.scaling);
        try {
          const step = record?.step ?? 0;
          const time = new Date().toISOString();
          if (back) yield { at: 'rolled-back', step, from: back.from, time };
          else {
            began = { spent: record?.deviceSeconds ?? 0 };
            await session.setState('running');
            yield {
              at: 'started',
              step,
              device: device.kind,
              deviceName: device.name,
              memory: adapterOf(device.kind).memory,
              parameters: parameterCount(base.family, base.dims, base.settings),
              steps: stepsOf(s),
              trainTokens,
              heldOutTokens,
              ...(carried > 0 ? { carried } : {}),
              time,
            };
          }
          const { spent } = began!;
          back = yield* steppedThrough(
            { ...sitting, deviceSeconds: () => spent + (performance.now() - since) / 1000 },
            { loaded, training, record, back, carried },
          );
        } finally {
          await training.dispose();
        }
      } finally {
        loaded.dispose();
      }
      if (back && back.times > s.patience)
        refuse('run/not-finite', {
          step: back.from,
          what: Number.isFinite(back.what.loss) ? 'gradient norm' : 'loss',
        });
    } while (back);
  } finally {
    teacher?.dispose();
  }
}

/** The model that a grown checkpoint came from, frozen on the device. Refuses `run/no-source`. */
async function sourceOf(device: Device, base: Checkpoint): Promise<Loaded> {
  const no = (why: string): never => refuse('run/no-source', { checkpoint: base.dir, why });
  if (!base.growth) return no('it was not grown by Cambium');
  const source = await openCheckpoint(base.growth.source).catch((error: unknown) =>
    no((error as Error).message),
  );
  if (source.dims['vocab']! > base.dims['vocab']!) return no('its vocabulary is larger');
  return load(device, source, fromCheckpoint(source));
}
