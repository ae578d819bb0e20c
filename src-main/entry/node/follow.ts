/** @file Follows jobs and runs on a terminal. Ctrl+C cancels a job, and stops and saves a run. */
import { AppError, createError, describeError, refuse } from '../../base/errors.ts';
import {
  formatCount,
  formatDuration,
  formatMoney,
  formatNumber,
  formatOrdinal,
  formatQuantity,
} from '../../base/format.ts';
import { noneLeftOut } from '../../base/left-out.ts';
import { describeLeftOutRecords } from '../../contract/left-out.ts';
import type { JobSummary, QueuePosition, RunSummary, RunEvent } from '../../contract/schema.ts';
import type { Service } from '../../contract/service.ts';
import { compareWithEstimate } from '../../service/catalog.ts';
import { exits, type Output } from './output.ts';

/** Follows the events of a job until `findResult` returns one. The signal cancels the job. */
export async function followJob<E, R>(
  api: Service,
  job: Pick<JobSummary, 'id'>,
  events: AsyncIterable<E>,
  signal: AbortSignal,
  findResult: (event: E) => R | undefined,
): Promise<R> {
  const cancel = (): void => {
    void api.cancelJob({ id: job.id }).catch(() => undefined);
  };
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    let result: R | undefined;
    for await (const event of events) result = findResult(event) ?? result;
    return result ?? refuse('engine/crashed', { how: 'it ended without a result', lines: '' });
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/**
 * Follows a run until it stops, and prints what happens after `since` (ISO 8601). Returns its last summary and
 * the exit code. The signal stops and saves the run.
 */
export async function followRun(
  api: Service,
  run: RunSummary,
  since: string,
  out: Output,
  signal: AbortSignal,
): Promise<{ readonly run: RunSummary; readonly code: number }> {
  const stop = (): void => {
    out.note('Stopping after this step and saving; press Ctrl+C again to quit at once');
    api.stopRun({ id: run.dir }).catch((error: unknown) => {
      const hasStopped = error instanceof AppError && error.code === 'run/not-running';
      if (!hasStopped) out.note(String(error));
    });
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    let { steps } = run;
    let isCurrent = false;
    let last: RunEvent | undefined;
    for await (const event of api.followRun({ id: run.dir, from: 0 })) {
      const isFirst = last === undefined;
      last = event;
      if (event.type === 'started' || event.type === 'rescheduled' || event.type === 'grown')
        ({ steps } = event);
      // Preparations have no time; those of an earlier session end with a start that does.
      if ('time' in event && event.time !== undefined) isCurrent = event.time >= since;
      else if (event.type === 'preparing') isCurrent ||= !isFirst || since === '';
      if (isCurrent) show(event, steps, out);
    }
    const isStopped = checkEnd(last) === 'requested' && signal.aborted;
    return { run: await api.run({ id: run.dir }), code: isStopped ? exits.cancelled : exits.ok };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

type StopReason = Extract<RunEvent, { type: 'stopped' }>['reason'];

/** Why the run stopped. Throws the error of a run that failed. */
function checkEnd(last: RunEvent | undefined): StopReason {
  if (last?.type !== 'stopped')
    return refuse('engine/crashed', { how: 'the run ended without its last event', lines: '' });
  if (last.reason !== 'failed') return last.reason;
  throw last.error
    ? new AppError(last.error.code, last.error.detail)
    : createError('internal', { message: 'the run failed without an error' });
}

function show(event: RunEvent, steps: number, out: Output): void {
  if (event.type === 'preparing') {
    out.progress(event.what, event.done, event.of);
    return;
  }
  if (event.type === 'step') {
    const loss = `loss ${event.loss.toFixed(4)}`;
    const lr = `lr ${event.lr.toExponential(2)}`;
    const details = `step ${event.step}  ${loss}  ${lr}  ${formatCount(event.tokens)} tokens`;
    out.progress('Training', event.step, steps, details);
    return;
  }
  const text = describeEvent(event);
  if (text !== undefined) out.note(text);
}

/** A line about an event, or undefined if it is not printed. */
function describeEvent(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'started':
      return describeStart(event);
    case 'evaluated':
      return `step ${event.step}: held-out loss ${event.loss.toFixed(4)}${describeParts(event.parts)}`;
    case 'averaged': {
      const weights = event.weights === 'ema' ? 'EMA weights' : 'averaged checkpoints';
      return `step ${event.step}: held-out loss of the ${weights} ${event.loss.toFixed(4)}`;
    }
    case 'sample':
      return `step ${event.step}, sample: ${event.prompt}${event.text}`;
    case 'measured': {
      const { stepSeconds, estimated, secondsLeft } = event;
      const comparison = estimated === null ? '' : `, ${compareWithEstimate(stepSeconds, estimated)}`;
      return `A step takes ${formatStepTime(stepSeconds)}${comparison}; ${formatDuration(secondsLeft)} left`;
    }
    case 'budget': {
      const { step, what, spent, limit } = event;
      const use = `${what}: ${spent.toPrecision(4)} of ${limit}`;
      return `The budget is used up at step ${step} (${use}). Saving; resuming grants it again`;
    }
    case 'early-stopped':
      return describeEarlyStop(event);
    case 'skipped':
      return describeSkip(event);
    case 'rolled-back':
      return `step ${event.from}: rolled back to the checkpoint of step ${event.step}; the data continues`;
    case 'rescheduled':
      return `step ${event.step}: the learning rate decays from here; the run ends at step ${event.steps}`;
    case 'grown':
      return describeGrown(event);
    case 'asymmetry':
      return `step ${event.step}: distance between copies ${event.value.toPrecision(2)}`;
    case 'saved':
      return `step ${event.step}: saved`;
    case 'stopped':
      return `${event.reason === 'finished' ? 'Finished' : 'Stopped'} at step ${event.step}${describeLeftOut(event)}`;
    default:
      return undefined;
  }
}

function describeLeftOut({ leftOut }: Extract<RunEvent, { type: 'stopped' }>): string {
  const sentence = leftOut && describeLeftOutRecords({ ...noneLeftOut, ...leftOut });
  return sentence === undefined ? '' : `. ${sentence}`;
}

const describeParts = (parts: Extract<RunEvent, { type: 'evaluated' }>['parts'] = []): string =>
  parts.length > 0 ? ` (${parts.map(({ name, loss }) => `${name} ${loss.toFixed(4)}`).join(', ')})` : '';

type EarlyStopped = Extract<RunEvent, { type: 'early-stopped' }>;

const describeEarlyStop = ({ step, best, bestStep, evaluations }: EarlyStopped): string =>
  `step ${step}: early stopping, because the held-out loss has not improved on ${best.toFixed(4)} ` +
  `(step ${bestStep}) in ${formatQuantity(evaluations, 'evaluation')}`;

function describeStart(event: Extract<RunEvent, { type: 'started' }>): string {
  const parameters = formatCount(event.parameters);
  const tokens = formatCount(event.trainTokens);
  const moments =
    event.momentUpdates === undefined
      ? ''
      : `; starts with the optimizer moments of ${event.momentUpdates} updates`;
  const resumed = event.step > 0 ? `Resumed at step ${event.step}. ` : '';
  return (
    `${resumed}Training ${parameters} parameters on ${event.deviceName} (${event.device}): ` +
    `${event.steps} steps over ${tokens} tokens${moments}${describeKernels(event.kernels)}`
  );
}

/** The CUDA kernels that a run uses, and why others are not used; empty for a run on another device. */
function describeKernels(kernels: Extract<RunEvent, { type: 'started' }>['kernels']): string {
  if (!kernels) return '';
  const used = kernels.used.length > 0 ? `; kernels: ${kernels.used.join(', ')}` : '';
  return (
    used + kernels.refused.map(({ group, why }) => `\nThe kernel group ${group} is not used: ${why}`).join('')
  );
}

function describeGrown(event: Extract<RunEvent, { type: 'grown' }>): string {
  const { step, stage, reason, method, parametersBefore, parameters, lossBefore, lossAfter } = event;
  const loss =
    lossBefore === null || lossAfter === null
      ? ''
      : `; held-out loss ${lossBefore.toFixed(4)} before, ${lossAfter.toFixed(4)} after`;
  const { verdict, maxLogit } = event.certificate;
  return (
    `step ${step}: stage ${stage - 1} ended (${reason}). Grown by ${method} from ` +
    `${formatCount(parametersBefore)} to ${formatCount(parameters)} parameters in ` +
    `${formatDuration(event.seconds)}; certificate: ${verdict}, largest difference of a logit ` +
    `${maxLogit.toPrecision(2)}${loss}`
  );
}

function describeSkip({ step, what, value, limit }: Extract<RunEvent, { type: 'skipped' }>): string {
  const number = value === null ? 'is not finite' : `is ${formatNumber(value)}`;
  const excess = value === null || limit === null ? '' : `, above ${formatNumber(limit)}`;
  return `step ${step}: skipped, because its ${what} ${number}${excess}`;
}

const formatStepTime = (seconds: number): string =>
  seconds < 0.1 ? `${(1000 * seconds).toPrecision(2)} ms` : formatDuration(seconds);

/** Where a run waits: `waiting, 2nd for cpu`. */
export const describePosition = ({ position, device }: QueuePosition): string =>
  `waiting, ${formatOrdinal(position)} for ${device}`;

/** The summary of a run in several lines. */
export function describeRun(run: RunSummary): string {
  const state = run.queue ? describePosition(run.queue) : run.state;
  const lines = [
    `${run.name}: ${state} at step ${run.step} of ${run.steps}`,
    `  folder    ${run.dir}`,
    `  tokens    ${formatCount(run.tokens)}`,
  ];
  if (run.loss !== null) {
    const heldOut = run.heldOutLoss === null ? '' : ` (held out ${run.heldOutLoss.toFixed(4)})`;
    lines.push(`  loss      ${run.loss.toFixed(4)}${heldOut}`);
  }
  if (run.cost !== null) lines.push(`  cost      ${formatMoney(run.cost)}`);
  if (run.savedStep !== null) lines.push(`  saved     at step ${run.savedStep}`);
  if (run.damage) lines.push(...describeError(run.damage).map((sentence) => `  damage    ${sentence}`));
  return lines.join('\n');
}
