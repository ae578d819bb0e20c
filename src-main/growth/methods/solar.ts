/**
 * @file Depth up-scaling (SOLAR): copies of the model on top of each other, their inner seams trimmed by k
 * layers. methods.md 7.1.
 */
import type { OptionValues } from '../../base/option.ts';
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

const copies = (options: OptionValues): number => Number(options['n'] ?? 2);

export const solar: GrowthMethod = {
  id: 'solar',
  title: 'Depth up-scaling (SOLAR)',
  summary:
    'Copies of the model on top of each other, each without the k layers next to a seam, so that the jump there is smaller.',
  paper: 'arXiv:2312.15166',
  caveat:
    'The paper was not read: the rule is from public code, and how many layers its authors trimmed is hearsay.',
  options: [
    {
      id: 'n',
      label: 'Copies',
      kind: 'number',
      min: 2,
      max: 8,
      integer: true,
      default: 2,
      help: 'How many times the model is laid on itself.',
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
      help: 'Layers dropped below and above each seam; "auto" takes what the wished depth needs.',
    },
  ],
  grows: ['layers'],
  sizesFromOptions: (from, wish, options) =>
    wish['layers'] === undefined && typeof options['k'] === 'number'
      ? { layers: depthOf(from['layers']!, options['k'], options) }
      : {},
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers(from, to, options) {
    const n = copies(options);
    const k = options['k'] ?? (n * from - to) / (2 * (n - 1));
    const seams = 2 * (n - 1);
    if (typeof k !== 'number' || !possible(from, k, n) || depthOf(from, k, options) !== to) {
      const depths =
        typeof options['k'] === 'number'
          ? [depthOf(from, options['k'], options)]
          : Array.from({ length: from }, (_, trim) => trim)
              .filter((trim) => possible(from, trim, n))
              .map((trim) => depthOf(from, trim, options));
      const fit = depths
        .filter((depth) => depth > from)
        .sort((a, b) => Math.abs(a - to) - Math.abs(b - to))
        .slice(0, 2)
        .sort((a, b) => a - b);
      return { nearest: fit, why: `${n} copies of ${from} layers lose ${seams} × k of them at their seams` };
    }
    return Array.from({ length: n }, (_, copy) =>
      Array.from({ length: from }, (__, source) => ({ source, identity: false })).slice(
        copy === 0 ? 0 : k,
        copy === n - 1 ? from : from - k,
      ),
    ).flat();
  },
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'approximate',
    why: [
      'At each seam a layer reads what a later layer used to read, so the loss jumps and recovers in training.',
    ],
  }),
};

const depthOf = (from: number, k: number, options: OptionValues): number =>
  copies(options) * from - 2 * (copies(options) - 1) * k;

/** Every copy keeps at least one layer. */
const possible = (from: number, k: number, n: number): boolean =>
  Number.isInteger(k) && k >= 0 && from - (n > 2 ? 2 : 1) * k >= 1;
