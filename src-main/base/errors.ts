/**
 * @file The errors that users see: a code, its data, one sentence and one remedy. Code and data cross process
 * boundaries; the text is made where it is shown.
 */
import { z } from 'zod';
import { bakeoffErrors } from './errors/bakeoff.ts';
import { checkpointErrors } from './errors/checkpoint.ts';
import { engineErrors } from './errors/engine.ts';
import { fileErrors } from './errors/file.ts';
import { growthErrors } from './errors/growth.ts';
import { hubErrors } from './errors/hub.ts';
import { pythonErrors } from './errors/python.ts';
import { remoteErrors } from './errors/remote.ts';
import { runErrors } from './errors/run.ts';
import type { ErrorText } from './errors/text.ts';
import { torchErrors } from './errors/torch.ts';
import { tuneErrors } from './errors/tune.ts';
import { trainingTextErrors } from './errors/training-text.ts';

/** Every error of the app, as a function from its data to its text. Any other error is shown as `internal`. */
export const errors = {
  internal: (d: { message: string }): ErrorText => [
    `an internal error occurred: ${d.message}`,
    'Please report this with the log of the run.',
  ],
  cancelled: (d: { what: string }): ErrorText => [
    `${d.what} was cancelled`,
    'No partial files remain; start it again at any time.',
  ],
  usage: (d: { why: string }): ErrorText => [d.why, 'See cambium --help.'],
  ...fileErrors,
  ...checkpointErrors,
  ...growthErrors,
  ...trainingTextErrors,
  ...runErrors,
  ...hubErrors,
  ...engineErrors,
  ...remoteErrors,
  ...pythonErrors,
  ...torchErrors,
  ...tuneErrors,
  ...bakeoffErrors,
} as const;

export type ErrorCode = keyof typeof errors;
export type ErrorDetail<C extends ErrorCode> = Parameters<(typeof errors)[C]>[0];

/** The form of an error that crosses a process boundary. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly detail: unknown;
}

/** An error that a person can act on; `message` is the sentence and the remedy. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: unknown;
  constructor(code: ErrorCode, detail: unknown) {
    const [sentence, remedy] = describeError({ code, detail });
    super(`${sentence}. ${remedy}`);
    this.name = 'AppError';
    this.code = code;
    this.detail = detail;
  }
  toData(): ErrorData {
    return { code: this.code, detail: this.detail };
  }
}

/** An `AppError` whose detail is checked against its code. */
export const createError = <C extends ErrorCode>(code: C, detail: ErrorDetail<C>): AppError =>
  new AppError(code, detail);

/** An error that was stored. `describeError` has words for every code and detail. */
export const storedError = z.object({
  code: z.string().max(100),
  detail: z.looseObject({}),
}) as unknown as z.ZodType<ErrorData>;

/** Throws an `AppError`. It is an expression, so `value ?? refuse(…)` works. */
export function refuse<C extends ErrorCode>(code: C, detail: ErrorDetail<C>): never {
  throw new AppError(code, detail);
}

/**
 * The sentence (without its full stop) and the remedy of an error. An error from a file or from another computer may
 * have a code that is unknown here, or details that do not belong to it.
 */
export function describeError({ code, detail }: ErrorData): ErrorText {
  const fallback: ErrorText = [String(code), 'Please report this.'];
  if (!Object.hasOwn(errors, code)) return fallback;
  try {
    const texts = (errors[code] as (detail: unknown) => ErrorText)(detail);
    return texts.every((text) => typeof text === 'string') ? texts : fallback;
  } catch {
    return fallback;
  }
}

/** The data of anything thrown; what is not an `AppError` becomes `internal`. */
export function toErrorData(thrown: unknown): ErrorData {
  if (thrown instanceof AppError) return thrown.toData();
  return { code: 'internal', detail: { message: thrown instanceof Error ? thrown.message : String(thrown) } };
}
