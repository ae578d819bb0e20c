/**
 * @file How copies are made to part ways, as options that every cloning method shares (methods.md 1.10, 3.4,
 * 7.3).
 */
import type { Option, OptionValues } from '../../base/option.ts';
import type { WeightRules } from '../method.ts';

export const symmetryBreakingOptions: readonly Option[] = [
  {
    id: 'noise',
    label: 'Noise',
    kind: 'number',
    unit: 'dB',
    min: -10,
    max: 80,
    default: 10,
    off: 'none',
    help: 'Signal-to-noise ratio of noise that cancels between copies; without it the copies stay equal for ever.',
  },
  {
    id: 'break',
    label: 'Parting copies',
    kind: 'choice',
    default: 'noise',
    help: 'What makes copies differ, so that they can learn different things.',
    choices: [
      { value: 'noise', label: 'paired noise, as strong as "noise" says' },
      { value: 'projection', label: 'fresh random weights that cancel over all copies (LEMON)' },
      { value: 'none', label: 'nothing' },
    ],
  },
];

/** What the options come to. */
export const readSymmetryBreaking = (options: OptionValues): Pick<WeightRules, 'noise' | 'projection'> => ({
  noise: options['break'] === 'noise' && typeof options['noise'] === 'number' ? options['noise'] : null,
  projection: options['break'] === 'projection',
});

const broken = (options: OptionValues): boolean => {
  const { noise, projection: projects } = readSymmetryBreaking(options);
  return projects || noise !== null;
};

/** Why parting the copies moves no logit. */
export const explainSymmetryBreaking = (options: OptionValues): readonly string[] =>
  broken(options)
    ? [
        readSymmetryBreaking(options).projection
          ? 'Random weights are added whose sum over the copies of an input is zero, so what is read stays the same.'
          : 'Noise is added to one copy and taken from the next, so sums over copies stay the same.',
      ]
    : [];

export const warnWithoutSymmetryBreaking = (options: OptionValues): readonly string[] =>
  broken(options)
    ? []
    : [
        'Without noise the copies stay equal for ever: Cambium trains without dropout, so the grown model would learn exactly like the small one. Choose a noise of about 10 dB, or the projection.',
      ];
