/**
 * @file Depth up-scaling (SOLAR): copies of the model on top of each other, with k layers trimmed on both sides
 * of each seam (docs/methods.md, solar).
 */
import type { OptionValues } from '../../base/option.ts';
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const solar: GrowthMethod = {
  id: 'solar',
  title: 'Depth up-scaling (SOLAR)',
  summary:
    'Copies of the model on top of each other, without the k layers next to each seam, which makes the jump ' +
    'there smaller. Not function-preserving.',
  paper: 'arXiv:2312.15166',
  caveat: 'Follows public code; the number of layers that the authors trimmed is not confirmed.',
  options: [
    {
      id: 'n',
      label: 'Copies',
      kind: 'number',
      min: 2,
      max: 8,
      integer: true,
      default: 2,
      help: 'Number of copies of the model that are stacked.',
    },
    {
      id: 'k',
      label: 'Trimmed at each seam',
      kind: 'number',
      unit: 'layers',
      min: 0,
      max: 10_000,
      integer: true,
      default: null,
      off: 'auto',
      help: 'Layers removed on each side of a seam; "auto" takes what the requested depth needs.',
    },
  ],
  grows: ['layers'],
  sizesFromOptions(from, requested, options) {
    const trimmed = options['k'];
    if (requested['layers'] !== undefined || typeof trimmed !== 'number') return {};
    return { layers: computeDepth(from['layers']!, trimmed, countCopies(options)) };
  },
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers(from, to, options) {
    const copies = countCopies(options);
    const ends = countTrimmedEnds(copies);
    const trimmed = options['k'] ?? (copies * from - to) / ends;
    const isPossible =
      typeof trimmed === 'number' &&
      canTrim(from, trimmed, copies) &&
      computeDepth(from, trimmed, copies) === to;
    if (!isPossible) {
      const nearest = findNearestDepths(from, to, copies, options['k']);
      return { nearest, why: `${copies} copies of ${from} layers lose ${ends} × k layers at their seams` };
    }
    return Array.from({ length: copies }, (_, copy) => {
      const layers = Array.from({ length: from }, (__, source) => ({ source, identity: false }));
      return layers.slice(copy === 0 ? 0 : trimmed, copy === copies - 1 ? from : from - trimmed);
    }).flat();
  },
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'none',
    why: [
      'At each seam a layer gets the output of a later layer than before, so the loss jumps and recovers in ' +
        'training.',
    ],
  }),
};

const countCopies = (options: OptionValues): number => Number(options['n'] ?? 2);

/** The number of times that k layers are trimmed: both sides of each seam. */
const countTrimmedEnds = (copies: number): number => 2 * (copies - 1);

const computeDepth = (from: number, trimmed: number, copies: number): number =>
  copies * from - countTrimmedEnds(copies) * trimmed;

/** Every copy keeps at least one layer. Copies in the middle are trimmed at both ends. */
const canTrim = (from: number, trimmed: number, copies: number): boolean =>
  Number.isInteger(trimmed) && trimmed >= 0 && from - (copies > 2 ? 2 : 1) * trimmed >= 1;

/** The two possible depths nearest to `to`, in increasing order. */
function findNearestDepths(
  from: number,
  to: number,
  copies: number,
  trimmed: OptionValues[string] | undefined,
): readonly number[] {
  const all = Array.from({ length: from }, (_, k) => k).filter((k) => canTrim(from, k, copies));
  const possible = typeof trimmed === 'number' ? [trimmed] : all;
  const depths = possible.map((k) => computeDepth(from, k, copies)).filter((depth) => depth > from);
  const byDistance = depths.sort((a, b) => Math.abs(a - to) - Math.abs(b - to));
  return byDistance.slice(0, 2).sort((a, b) => a - b);
}
