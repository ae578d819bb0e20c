/** @file Changes files and messages that others write, and reads them. */
import { readChangedInputs } from '../inputs/read-inputs.ts';
import type { Torture } from '../torture.ts';

export const parsers: Torture = {
  promise: 'A damaged or hostile file opens, or is refused with a typed error, within 2 s and 1 GB.',
  count: 100_000,
  inMemory: true,
  run: (options) => readChangedInputs('parsers', options),
};
