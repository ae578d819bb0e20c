/** @file Settings of evaluation and checkpoints. */
import { choice, integer, real, text } from '../setting.ts';

export const evaluationSettings = {
  saveEvery: integer({
    label: 'Save every',
    help: 'Steps between checkpoints. 0 saves only at the end.',
    group: 'evaluation',
    default: 200,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  evaluateEvery: integer({
    label: 'Evaluate every',
    help: 'Steps between evaluations on held-out text. 0 evaluates only at the start and the end.',
    group: 'evaluation',
    default: 100,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  heldOut: real({
    label: 'Held-out fraction',
    help: 'Share of the text that is kept for evaluation.',
    group: 'evaluation',
    default: 0.02,
    min: 0,
    max: 0.5,
  }),
  evaluationPrecision: choice({
    label: 'Evaluation precision',
    help: "Type of matrix products in held-out losses: the run's, or float32, which is slower and exact.",
    group: 'evaluation',
    default: 'run',
    labels: { run: 'As the run', float32: 'float32' },
  }),
  sampleEvery: integer({
    label: 'Sample every',
    help: 'Steps between generated samples. 0 samples only at the end.',
    group: 'evaluation',
    default: 100,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  prompt: text({
    label: 'Prompt',
    help: 'The text that samples continue.',
    group: 'evaluation',
    isInForm: false,
    default: '',
    maxLength: 100_000,
  }),
};
