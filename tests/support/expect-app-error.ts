/** @file Asserts that an action throws an AppError with a given code. */
import { AppError, type ErrorCode } from '../../src-main/base/errors.ts';

/** Runs `work`, which must throw or reject with an AppError of `code`; returns its detail and message. */
export async function expectAppError(
  code: ErrorCode,
  work: () => unknown,
): Promise<{ readonly detail: Readonly<Record<string, unknown>>; readonly message: string }> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== code)
      throw new Error(`expected the error ${code}, got ${error.code}: ${error.message}`, { cause: error });
    return { detail: error.detail as Readonly<Record<string, unknown>>, message: error.message };
  }
  throw new Error(`expected the error ${code}, but nothing was thrown`);
}
