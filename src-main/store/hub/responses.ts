/** @file Helpers for what @huggingface/hub returns and throws. */
import { AppError, refuse } from '../../base/errors.ts';

/**
 * Returns a handler for errors of the client library. It refuses `hub/answer`: the library throws when a
 * response has an unexpected shape. An `AppError` is thrown again.
 */
export const refuseUnexpectedResponse =
  (endpoint: string) =>
  (thrown: unknown): never => {
    if (thrown instanceof AppError) throw thrown;
    return refuse('hub/answer', {
      endpoint,
      why: thrown instanceof SyntaxError ? 'it is not JSON' : "it has another shape than the Hub's",
    });
  };

/** ISO 8601; empty for an invalid date. */
export const toIsoDate = (date: Date): string => (Number.isNaN(date.getTime()) ? '' : date.toISOString());

/** The license among the tags of a model. */
export const findLicense = (tags: readonly string[] | undefined): string | null =>
  tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length) ?? null;
