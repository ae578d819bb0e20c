/** @file Changes the files that Cambium writes for itself, and reads them. */
import { readChangedInputs } from '../inputs/read-inputs.ts';
import type { Torture } from '../torture.ts';

export const stored: Torture = {
  promise:
    'A damaged file of Cambium opens, is left out, or is refused with a typed error within 2 s and 1 GB.',
  count: 100_000,
  inMemory: true,
  run: (options) => readChangedInputs('stored', options),
};
