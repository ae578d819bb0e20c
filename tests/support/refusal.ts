/** @file What was refused: the code and the detail of the AppError that work throws. */
import { AppError, type ErrorCode } from '../../src-main/base/errors.ts';

/** Runs `work`, which must be refused with `code`; answers with the detail and the words. */
export async function refusal(
  code: ErrorCode,
  work: () => unknown,
): Promise<{ readonly detail: Readonly<Record<string, unknown>>; readonly message: string }> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== code)
      throw new Error(`refused with ${error.code} instead of ${code}: ${error.message}`, { cause: error });
    return { detail: error.detail as Readonly<Record<string, unknown>>, message: error.message };
  }
  throw new Error(`nothing was refused; expected ${code}`);
}
