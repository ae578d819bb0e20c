/**
 * @file Expansion to any size: old units keep their place, new ones are heard by nobody at first. methods.md
 * 1.6 to 1.9 and 6.
 */
import { hasAxis, type Axis } from '../../tensor/layout.ts';
import { pad, scatter, type AxisMap } from '../../tensor/axis-map.ts';
import type { ModelFamily } from '../../model/family.ts';
import { findNormedScores } from '../plan/branch-norms.ts';
import {
  defaultRules,
  type AxisChange,
  type GrowthMethod,
  type UnreachableSize,
  type Insertion,
} from '../method.ts';

export const expand: GrowthMethod = {
  id: 'expand',
  title: 'Expansion',
  summary: 'Any size at all: old units keep their place, new ones start random but unheard.',
  paper: 'arXiv:2308.06103',
  options: [
    {
      id: 'eps',
      label: 'Norms',
      kind: 'choice',
      default: 'keep',
      help: 'A wider stream is thinner on average; either its values are stretched or the norms are told.',
      choices: [
        { value: 'keep', label: 'stretch the stream, keep every eps' },
        { value: 'scale', label: 'leave the stream, scale gains and eps (the paper)' },
      ],
    },
  ],
  grows: ['hidden', 'ffn', 'heads', 'kv_heads', 'group', 'head_dim'],
  allowsFrozen: (family, axis) => axis === 'head_dim' && findRotaryWidening(family) !== undefined,
  mapAxis: padAxis,
  fill: fillWithoutEffect,
  weightRules: ({ eps }) => ({ ...defaultRules, preserveBy: eps === 'scale' ? 'gains' : 'stream' }),
  promise: (family, { eps }, grown) => {
    const why = [
      ...explainStreamPadding(family, grown),
      'New inner units are read with weight zero.',
      ...headReasons(family, grown),
    ];
    const stuck = eps === 'scale' && streamGrows(family, grown) ? stuckEps(family) : undefined;
    return stuck === undefined ? { kind: 'exact', why } : { kind: 'approximate', why: [...why, stuck] };
  },
  deadReason: (family, axis) => explainDeadHeads(family, axis),
};

const streamGrows = (family: ModelFamily, grown: readonly string[] | undefined): boolean =>
  grown === undefined || grown.includes(family.stream.axis);

/** Why nothing changes when the stream is padded. */
export const explainStreamPadding = (family: ModelFamily, grown?: readonly string[]): readonly string[] =>
  !streamGrows(family, grown)
    ? []
    : [
        family.stream.norm === 'layer'
          ? 'New entries of the stream carry its mean, so layer norms see the same mean and, after stretching, the same variance.'
          : 'New entries of the stream are zero, so norms see the same mean square after stretching.',
      ];

/** Why eps cannot shrink with the stream alone (methods.md 1.6). */
function stuckEps(family: ModelFamily): string | undefined {
  if (!family.settings['eps']?.keys.length)
    return 'This family fixes eps in code, so eps cannot shrink with the stream; the measured gap shows by how much that matters.';
  const other = Object.values(family.tensors).some(
    (spec) => spec.kind === 'gain' && !hasAxis(spec.layout, family.stream.axis),
  );
  return other
    ? 'One eps serves the norms of the stream and those of queries and keys, and only the first should shrink; the measured gap shows by how much that matters.'
    : undefined;
}

/**
 * How wider heads keep what rotary positions turn (methods.md 1.7): where whole heads are turned, pairs move
 * to where their frequencies are; where a share is, it stays and new entries join the rest.
 */
export const findRotaryWidening = ({ settings }: ModelFamily): 'scatter' | 'append' | undefined =>
  !('ropeTheta' in settings) ? undefined : 'partialRotaryFactor' in settings ? 'append' : 'scatter';

/** Old entries first and then new ones; rotary pairs move to where their frequencies are. */
export function padAxis({ axis, from, to, family }: AxisChange): AxisMap | UnreachableSize {
  if (axis !== 'head_dim' || !family || findRotaryWidening(family) !== 'scatter') return pad(from, to);
  const below = Math.floor(to / from) * from;
  return to === below ? scatter(from, to) : { nearest: below === from ? [2 * from] : [below, below + from] };
}

/**
 * Norms see new entries of queries and of keys: zero on both sides, no gradient reaches either (methods.md
 * 1.9).
 */
export const explainDeadHeads = (family: ModelFamily, axis: Axis): string | undefined =>
  axis !== family.scores.over || findNormedScores(family, axis).length < 2
    ? undefined
    : 'norms on queries and keys allow nothing but zeros in new entries of both, so that no gradient reaches them; those of values learn';

const headReasons = (family: ModelFamily, grown: readonly string[] | undefined): readonly string[] =>
  !grown?.includes('head_dim')
    ? []
    : findRotaryWidening(family) === 'scatter'
      ? ['Rotary pairs of wider heads move to where their frequencies are.']
      : findRotaryWidening(family) === 'append'
        ? ['Wider heads turn as many entries as before; new ones join those that are not turned.']
        : [];

/**
 * Written into the stream: nothing (or the mean); read from it: drawn. Inside: drawn where written, nothing
 * where read. Beside each zero stands a drawn entry: both zero would never learn.
 */
export function fillWithoutEffect(place: Insertion): 'zero' | 'one' | 'draw' | 'mean' {
  const { family, kind, axis, role } = place;
  const streamed = axis === family.stream.axis;
  if (kind === 'gain') return 'one';
  if (kind === 'shift') return 'zero';
  if (streamed && role === 'out') return family.stream.norm === 'layer' ? 'mean' : 'zero';
  if (kind === 'bias' || (axis === family.scores.over && isKey(place))) return 'zero';
  return streamed === (role === 'in') ? 'draw' : 'zero';
}

/** Keys of wider heads start at zero beside drawn queries, so that no score changes. */
function isKey({ family, key, part }: Insertion): boolean {
  const [weight, entry] = family.scores.between[1]!.split('/');
  return key.includes(`.${weight!}.`) && (entry === undefined || entry === part);
}

/** The axes that padding can grow and that every head and unit is counted along. */
export const paddableAxes: readonly Axis[] = ['hidden', 'ffn', 'heads', 'kv_heads', 'group'];
