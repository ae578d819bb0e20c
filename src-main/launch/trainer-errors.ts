/** @file The errors that the trainer may report in its last event. Anything else is a failure of the trainer. */
import { z } from 'zod';
import type { ErrorCode } from '../base/errors.ts';
import type { RunEvent } from '../train/run.ts';

const error = <C extends ErrorCode, D extends z.ZodRawShape>(code: C, detail: D) =>
  z.object({ code: z.literal(code), detail: z.object(detail) });
const text = z.string();

const trainerErrors = z.discriminatedUnion('code', [
  error('run/no-source', { checkpoint: text, why: text }),
  error('run/damaged', { run: text, why: text }),
  error('run/text-changed', { run: text, data: z.array(text), before: z.number(), now: z.number() }),
  error('run/damaged-checkpoint', { path: text, why: text }),
  error('run/not-finite', { step: z.number(), what: text }),
  error('torch/unsupported', { what: text }),
  error('torch/no-tensor-plan', { model: text, why: text }),
  error('engine/out-of-memory', { device: text, detail: text }),
]);

/** An event of the trainer, with an error that Cambium has words for. */
export function checkTrainerEvent(event: RunEvent, log: string): RunEvent {
  if (event.type !== 'stopped' || event.error === undefined) return event;
  if (trainerErrors.safeParse(event.error).success) return event;
  const how = `unknown error ${JSON.stringify(event.error).slice(0, 200)}`;
  return { ...event, error: { code: 'torch/failed', detail: { how, log, lines: '' } } };
}
