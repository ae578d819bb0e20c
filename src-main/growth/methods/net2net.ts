/**
 * @file Net2Net: units are replicated at random up to any number, and whatever reads them divides by how many
 * there are. methods.md 7.2.
 */
import { deriveKey, permuteIndex } from '../../base/random.ts';
import { replicate, tile, type AxisMap } from '../../tensor/axis-map.ts';
import {
  warnWithoutSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  explainSymmetryBreaking,
} from './symmetry-breaking.ts';
import { defaultRules, type AxisChange, type GrowthMethod } from '../method.ts';

export const net2net: GrowthMethod = {
  id: 'net2net',
  title: 'Net2Net',
  summary:
    'Inner units and heads at any ratio: a random choice of them is doubled, and their readers share the sum.',
  paper: 'arXiv:1511.05641',
  options: symmetryBreakingOptions,
  grows: ['ffn', 'heads', 'kv_heads', 'group'],
  mapAxis: replicateUnits,
  fill: () => 'zero',
  weightRules: (options) => ({ ...defaultRules, ...readSymmetryBreaking(options) }),
  promise: (_, options) => ({
    kind: 'exact',
    why: [
      'A replicated unit says what its model says, and whoever reads them divides by their number.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes: (_, options) => warnWithoutSymmetryBreaking(options),
};

/**
 * Whole rounds of all old entries first, then a random choice of them, so that no entry stands more than once
 * more than another.
 */
export function replicateUnits({ axis, from, to, seed = 0 }: AxisChange): AxisMap {
  if (to % from === 0) return tile(from, to);
  const name = `${axis} ${from} ${to} ${seed}`;
  const known = made.get(name);
  if (known) return known;
  const rounds = Math.floor(to / from) - 1;
  const rest = to % from;
  const key = deriveKey(seed, 'replicate', axis);
  const chosen = new Uint8Array(from);
  const more: number[] = [];
  for (let i = 0; i < rounds * from; i++) more.push(i % from);
  for (let i = 0; i < rest; i++) chosen[permuteIndex(key, i, from)] = 1;
  for (let i = 0; i < from; i++) if (chosen[i] === 1) more.push(i);
  if (made.size >= 64) made.clear();
  made.set(name, replicate(from, more));
  return made.get(name)!;
}

/** Maps made lately: a plan asks for each several times, and a slider comes back to its stops. */
const made = new Map<string, AxisMap>();
