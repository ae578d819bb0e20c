/** @file What the client library's answers and failures come to. */
import { AppError, refuse } from '../../base/errors.ts';

/**
 * What the library throws when an answer has another shape than it expects; an `AppError` stays what it is.
 */
export const readable =
  (endpoint: string) =>
  (thrown: unknown): never => {
    if (thrown instanceof AppError) throw thrown;
    return refuse('hub/answer', {
      endpoint,
      why: thrown instanceof SyntaxError ? 'it is not JSON' : "it has another shape than the Hub's",
    });
  };

export const isoOf = (date: Date): string => (Number.isNaN(date.getTime()) ? '' : date.toISOString());
/** The licence among a model's tags. */
export const licenceOf = (tags: readonly string[] | undefined): string | null =>
  tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length) ?? null;
