/** @file Following long work from a terminal: jobs and runs, with Ctrl+C as a request. */
import { AppError, appError, refuse } from '../../base/errors.ts';
import { showCount, showDuration } from '../../base/units.ts';
import type { JobCard, RunCard, RunEvent } from '../../contract/schema.ts';
import type { Service } from '../../contract/service.ts';
import { againstTold } from '../../service/choices.ts';
import { exits, type Output } from './output.ts';

export const devices = ['auto', 'cpu', 'cuda', 'webgpu'] as const;

/** Loops over a job's events until `take` answers its result; the signal cancels the job. */
export async function followJob<E, R>(
  api: Service,
  job: JobCard,
  events: AsyncIterable<E>,
  signal: AbortSignal,
  take: (event: E) => R | undefined,
): Promise<R> {
  const cancel = (): void => {
    void api.cancelJob({ id: job.id }).catch(() => undefined);
  };
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    let result: R | undefined;
    for await (const event of events) result = take(event) ?? result;
    return result ?? refuse('engine/crashed', { how: 'it ended without an answer', lines: '' });
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/**
 * Follows a run to its end, showing what happens after `since` (ISO 8601); answers its card and the exit
 * code. The signal asks it to stop and save.
 */
export async function followRun(
  api: Service,
  card: RunCard,
  since: string,
  out: Output,
  signal: AbortSignal,
): Promise<{ readonly card: RunCard; readonly code: number }> {
  const ask = (): void => {
    out.note('Stopping after this step and saving; Ctrl+C again ends it at once');
    api.stopRun({ id: card.dir }).catch((error: unknown) => {
      if (!(error instanceof AppError && error.code === 'run/not-running')) out.note(String(error));
    });
  };
  if (signal.aborted) ask();
  signal.addEventListener('abort', ask, { once: true });
  try {
    let steps = card.steps;
    let current = false;
    let last: RunEvent | undefined;
    for await (const event of api.followRun({ id: card.dir, from: 0 })) {
      last = event;
      if (event.at === 'started' || event.at === 'rescheduled') steps = event.steps;
      current ||= event.at === 'preparing' || ('time' in event && event.time >= since);
      if (current) show(event, steps, out);
    }
    if (last?.at !== 'stopped')
      refuse('engine/crashed', { how: 'the run ended without a last word', lines: '' });
    if (last.reason === 'failed')
      throw last.error
        ? new AppError(last.error.code, last.error.detail)
        : appError('internal', { message: 'the run failed without a reason' });
    return {
      card: await api.run({ id: card.dir }),
      code: last.reason === 'asked' && signal.aborted ? exits.cancelled : exits.ok,
    };
  } finally {
    signal.removeEventListener('abort', ask);
  }
}

function show(event: RunEvent, steps: number, out: Output): void {
  switch (event.at) {
    case 'preparing':
      out.progress(event.what, event.done, event.of);
      break;
    case 'started':
      out.note(
        `Training ${showCount(event.parameters)} parameters on ${event.deviceName} (${event.device}): ${event.steps} steps over ${showCount(event.trainTokens)} tokens${event.carried === undefined ? '' : `; the optimizer's moments came along, after ${event.carried} updates`}`,
      );
      break;
    case 'step':
      out.progress(
        'Training',
        event.step,
        steps,
        `step ${event.step}  loss ${event.loss.toFixed(4)}  lr ${event.lr.toExponential(2)}  ${showCount(event.tokens)} tokens`,
      );
      break;
    case 'evaluated':
      out.note(`step ${event.step}: held-out loss ${event.loss.toFixed(4)}`);
      break;
    case 'sample':
      out.note(`step ${event.step} writes: ${event.prompt}${event.text}`);
      break;
    case 'measured':
      out.note(
        `A step takes ${paceOf(event.stepSeconds)}${event.told === null ? '' : `, ${againstTold(event.stepSeconds, event.told)}`}; ${showDuration(event.secondsLeft)} to go`,
      );
      break;
    case 'budget':
      out.note(
        `The budget is spent at step ${event.step} (${event.what}: ${event.spent.toPrecision(4)} of ${event.limit}); saving, resume grants it once more`,
      );
      break;
    case 'skipped':
      out.note(
        `step ${event.step}: left out, its ${event.what} was ${event.value === null ? 'not finite' : `${event.value.toPrecision(4)}${event.limit === null ? '' : `, over ${event.limit.toPrecision(4)}`}`}`,
      );
      break;
    case 'rolled-back':
      out.note(`step ${event.from}: back to the saved state of step ${event.step}, reading on in the text`);
      break;
    case 'rescheduled':
      out.note(
        `step ${event.step}: the learning rate falls from here on; the run ends at step ${event.steps}`,
      );
      break;
    case 'averaged':
      out.note(
        `step ${event.step}: held-out loss ${event.loss.toFixed(4)} of the ${event.which === 'ema' ? 'moving average' : 'mean of the newest checkpoints'}`,
      );
      break;
    case 'asymmetry':
      out.note(`step ${event.step}: copies lie ${event.value.toPrecision(2)} apart`);
      break;
    case 'saved':
      out.note(`step ${event.step}: saved`);
      break;
    case 'stopped':
      out.note(
        event.reason === 'finished' ? `Finished at step ${event.step}` : `Stopped at step ${event.step}`,
      );
      break;
  }
}

const paceOf = (seconds: number): string =>
  seconds < 0.1 ? `${(1000 * seconds).toPrecision(2)} ms` : showDuration(seconds);

/** A run's card in words. */
export const describeRun = (card: RunCard): string =>
  [
    `${card.name}: ${card.state} at step ${card.step} of ${card.steps}`,
    `  folder    ${card.dir}`,
    `  tokens    ${showCount(card.tokens)}`,
    ...(card.loss === null
      ? []
      : [
          `  loss      ${card.loss.toFixed(4)}${card.heldOutLoss === null ? '' : ` (held out ${card.heldOutLoss.toFixed(4)})`}`,
        ]),
    ...(card.savedStep === null ? [] : [`  saved     at step ${card.savedStep}`]),
  ].join('\n');
