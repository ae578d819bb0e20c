/** @file Presets of the training settings: what each changes from the defaults. */
import type { TrainingSettings } from './settings.ts';

export interface TrainingPreset {
  readonly id: string;
  readonly label: string;
  /** One sentence: when to use it. */
  readonly help: string;
  readonly changes: Partial<TrainingSettings>;
}

export const trainingPresets: readonly TrainingPreset[] = [
  {
    id: 'continue',
    label: 'Continue',
    help: 'The defaults, for a grown or trained checkpoint.',
    changes: {},
  },
  {
    id: 'trial',
    label: 'Quick trial',
    help: 'A short run that shows within minutes whether the loss falls.',
    changes: { tokens: 200_000, warmupSteps: 10, evaluateEvery: 20, sampleEvery: 50 },
  },
  {
    id: 'scratch',
    label: 'From random weights',
    help: 'A baseline: the same architecture without what the checkpoint has learned.',
    changes: { init: 'random', lr: 1e-3, warmupSteps: 100 },
  },
  {
    id: 'open',
    label: 'Open-ended',
    help: 'A constant learning rate until you let it decay, so that the run can be extended.',
    changes: { schedule: 'wsd', evaluateEvery: 200, saveEvery: 500 },
  },
];

/** The preset with exactly these changes from `initial`, except the ids in `ignored`; undefined if there is none. */
export function findPreset(
  settings: TrainingSettings,
  initial: TrainingSettings,
  ignored: readonly (keyof TrainingSettings)[] = [],
): TrainingPreset | undefined {
  const ids = (Object.keys(initial) as (keyof TrainingSettings)[]).filter((id) => !ignored.includes(id));
  return trainingPresets.find(({ changes }) => {
    const wanted = { ...initial, ...changes };
    return ids.every((id) => settings[id] === wanted[id]);
  });
}
