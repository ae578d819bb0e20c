/** @file The options of all cloning methods that make copies differ (docs/methods.md, Symmetry breaking). */
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
    help: 'Signal-to-noise ratio of noise that cancels between copies. Without it, clones stay identical.',
  },
  {
    id: 'break',
    label: 'Symmetry breaking',
    kind: 'choice',
    default: 'noise',
    help: 'What makes the copies differ, so that they can learn different features.',
    choices: [
      { value: 'noise', label: 'paired noise, at the ratio of the option Noise' },
      { value: 'projection', label: 'random weights that sum to zero over all copies (LEMON)' },
      { value: 'none', label: 'none' },
    ],
  },
];

/** The rules that follow from the options. */
export const readSymmetryBreaking = (options: OptionValues): Pick<WeightRules, 'noise' | 'projection'> => ({
  noise: options['break'] === 'noise' && typeof options['noise'] === 'number' ? options['noise'] : null,
  projection: options['break'] === 'projection',
});

/** Why symmetry breaking preserves the function. Empty without it. */
export function explainSymmetryBreaking(options: OptionValues): readonly string[] {
  const { noise, projection } = readSymmetryBreaking(options);
  if (projection)
    return ['Random weights that sum to zero over the copies of an input are added, so sums stay the same.'];
  if (noise !== null)
    return ['Noise is added to one copy and subtracted from the next, so sums over copies stay the same.'];
  return [];
}

/** A warning if the options break no symmetry. */
export function warnWithoutSymmetryBreaking(options: OptionValues): readonly string[] {
  const { noise, projection } = readSymmetryBreaking(options);
  if (projection || noise !== null) return [];
  return [
    'Without noise, clones stay identical and the added width is wasted: Cambium trains without dropout, so the ' +
      'grown model learns exactly like the small one. Choose noise of about 10 dB, or the projection.',
  ];
}
