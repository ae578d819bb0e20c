/**
 * @file Net2Net: copies randomly chosen units up to any number; readers divide by the number of copies
 * (docs/methods.md, net2net).
 */
import { deriveKey, permuteIndex } from '../../base/random.ts';
import { replicate, tile, type AxisMap } from '../../tensor/axis-map.ts';
import { defaultRules, type AxisChange, type GrowthMethod } from '../method.ts';
import {
  explainSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  warnWithoutSymmetryBreaking,
} from './symmetry-breaking.ts';

export const net2net: GrowthMethod = {
  id: 'net2net',
  title: 'Net2Net',
  summary:
    'Inner units and heads at any ratio: copies randomly chosen ones and divides their output weights among the ' +
    'copies.',
  paper: 'arXiv:1511.05641',
  options: symmetryBreakingOptions,
  grows: ['ffn', 'heads', 'kv_heads', 'group'],
  mapAxis: replicateUnits,
  fill: () => 'zero',
  weightRules: (options) => ({ ...defaultRules, ...readSymmetryBreaking(options) }),
  promise: (_, options) => ({
    kind: 'function-preserving',
    why: [
      'A copied unit computes the same as its source, and output weights are divided by the number of copies.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes: (_, options) => warnWithoutSymmetryBreaking(options),
};

/** Recent maps: a plan needs each several times, and a slider returns to earlier values. */
const cachedMaps = new Map<string, AxisMap>();
const maxCachedMaps = 64;

/**
 * Copies all old entries as often as they fit, and then randomly chosen ones. The numbers of copies of two
 * entries differ by at most one.
 */
export function replicateUnits({ axis, from, to, seed = 0 }: AxisChange): AxisMap {
  if (to % from === 0) return tile(from, to);
  const name = `${axis} ${from} ${to} ${seed}`;
  const cached = cachedMaps.get(name);
  if (cached) return cached;
  const wholeRounds = Math.floor(to / from) - 1;
  const remaining = to % from;
  const key = deriveKey(seed, 'replicate', axis);
  const isChosen = new Uint8Array(from);
  for (let i = 0; i < remaining; i++) isChosen[permuteIndex(key, i, from)] = 1;
  const copied: number[] = [];
  for (let i = 0; i < wholeRounds * from; i++) copied.push(i % from);
  for (let i = 0; i < from; i++) if (isChosen[i] === 1) copied.push(i);
  const map = replicate(from, copied);
  if (cachedMaps.size >= maxCachedMaps) cachedMaps.clear();
  cachedMaps.set(name, map);
  return map;
}
