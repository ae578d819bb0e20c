/**
 * @file A training session of a run: locks the folder, reads the text, opens the device, loads the state.
 * segments.ts runs the steps. Every event is in the run's file before it is sent.
 */
import { toErrorData, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { HubToken } from '../../store/hub/settings.ts';
import { newestStep, openSession, readRun, type RunSession } from '../../store/run/runs.ts';
import type { RunSettings } from '../../train/run.ts';
import { lastStepOf } from '../../train/stages.ts';
import { chooseDevice } from '../device/choose.ts';
import type { TrainInput } from '../inputs.ts';
import { addMemoryAdvice } from './advice.ts';
import { openMeter, type Meter } from './meter.ts';
import { openPosition, stageNumber } from './run-position.ts';
import { trainSegments } from './segments.ts';
import { checkNoNewerShards, newestTorchStep, torchSession } from './torch-session.ts';
import { openRunText, readStaticText, type RunText } from './open-text.ts';
import { batchOrderOf, type SessionText } from './run-loop.ts';
import { checkContextLength } from '../../train/run-text.ts';

/**
 * Trains a run from its newest complete checkpoint, or from its start, until it is finished, is asked to stop,
 * or fails.
 */
export async function* train(
  { run: dir, hubToken }: TrainInput,
  signal: AbortSignalLike,
): AsyncGenerator<RunEvent> {
  const run = await readRun(dir);
  const { launch } = run;
  if (!launch) await checkNoNewerShards(dir);
  let step = launch ? await newestTorchStep(dir) : ((await newestStep(dir))?.step ?? 0);
  const stage = launch ? 1 : await stageNumber(dir);
  const session = await openSession(dir, { after: step, stage });
  let hasFailed = false;
  let meter: Meter | undefined;
  try {
    if (!launch) meter = await openMeter(dir, run.settings);
    const events = launch
      ? torchSession(dir, { ...run, launch }, session, signal)
      : runSession(dir, run, { session, signal, meter: meter!, hubToken: hubToken ?? null });
    for await (const event of events)
      for (const reported of (await meter?.take(event)) ?? [event]) {
        if ('step' in reported) step = reported.step;
        await session.append(reported);
        if (reported.type === 'saved') await session.sync();
        yield reported;
      }
  } catch (error) {
    hasFailed = true;
    const event = await stoppedEvent(error, dir, run, step);
    const events = (await meter?.take(event).catch(() => [event])) ?? [event];
    for (const last of events) {
      // On a full disk the last line cannot be written; the caller still gets the event.
      await session.append(last).catch(() => undefined);
      yield last;
    }
  } finally {
    meter?.close();
    await session.close().catch((error: unknown) => {
      if (!hasFailed) throw error;
    });
  }
}

async function stoppedEvent(error: unknown, dir: string, run: RunSettings, step: number): Promise<RunEvent> {
  const data = await addMemoryAdvice(toErrorData(error), dir, run);
  const time = new Date().toISOString();
  if (data.code === 'cancelled') return { type: 'stopped', step, reason: 'requested', time };
  return { type: 'stopped', step, reason: 'failed', error: data, time };
}

interface SessionParts {
  readonly session: RunSession;
  readonly signal: AbortSignalLike;
  readonly meter: Meter;
  readonly hubToken: HubToken | null;
}

const textOf = (text: RunText): SessionText => ({
  tokens: text.tokens,
  parts: text.parts,
  prepareText: text.prepare,
  countLeftOut: () => text.leftOut,
});

/** Everything between opening the run's folder and closing it. */
async function* runSession(
  dir: string,
  run: RunSettings,
  { session, signal, meter, hubToken }: SessionParts,
): AsyncGenerator<RunEvent> {
  const { settings } = run;
  const { base, record, stage } = await openPosition(dir, run);
  const steps = lastStepOf(stage);
  if (record && !record.stageEnd && record.step >= steps) refuse('run/finished', { run: run.name, steps });
  checkContextLength(base, stage.settings);
  const shouldStop = (): boolean => signal.aborted || session.isStopRequested() || meter.isBudgetSpent();
  await session.setState('preparing');
  const request = { dir, run, base, signal, shouldStop, hubToken };
  const fixed = yield* readStaticText(request);
  const first = ((record?.cursor ?? 0) - stage.start.cursor) * stage.settings.gradAccum;
  const text = await openRunText(request, fixed, first, (parts) => batchOrderOf(stage, parts));
  let isFinished = false;
  try {
    const device = await chooseDevice(settings.device, settings.threads, { tf32: settings.tf32 === 'on' });
    try {
      const { joules } = meter;
      const segments = trainSegments({ dir, run, ...textOf(text), device, session, shouldStop, joules });
      for await (const event of segments) {
        isFinished = event.type === 'stopped' && event.reason === 'finished';
        yield event;
      }
    } finally {
      await device.dispose();
    }
  } finally {
    await text.close(isFinished);
  }
}
