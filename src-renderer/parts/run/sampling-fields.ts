/** @file The settings of sampling that the playground offers, beside temperature and seed. */
export interface SamplingField {
  readonly id: 'topK' | 'topP' | 'minP' | 'repetitionPenalty';
  readonly label: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
  readonly step: number | 'any';
}

/** An empty field is off. */
export const samplingFields: readonly SamplingField[] = [
  { id: 'topK', label: 'Top-k', help: 'Keeps the k most likely tokens.', min: 1, max: 1000, step: 1 },
  {
    id: 'topP',
    label: 'Top-p',
    help: 'Keeps the most likely tokens that together have this probability.',
    min: 0.01,
    max: 1,
    step: 'any',
  },
  {
    id: 'minP',
    label: 'Min-p',
    help: 'Drops tokens below this share of the largest probability.',
    min: 0,
    max: 1,
    step: 'any',
  },
  {
    id: 'repetitionPenalty',
    label: 'Repetition penalty',
    help: 'Above 1, tokens that the text has become less likely.',
    min: 0.1,
    max: 10,
    step: 'any',
  },
];
