/** @file The options that every growth method has. */
import { dtypeChoices } from '../labels.ts';

export const generalOptions = [
  {
    kind: 'number',
    id: 'seed',
    label: 'Seed',
    help: 'Seed of noise and random values. The same seed gives the same bytes.',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
    default: 0,
  },
  {
    kind: 'choice',
    id: 'dtype',
    label: 'Element type',
    help: 'Type of the grown weights. With fewer bits the tolerance of the certificate is larger.',
    default: 'keep',
    choices: dtypeChoices,
  },
] as const;
