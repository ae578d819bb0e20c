/**
 * @file Expansion to any size: old units keep their position, and new ones have no effect at first
 * (docs/methods.md, expand).
 */
import type { OptionValues } from '../../base/option.ts';
import { pad, scatter, spread, type AxisMap } from '../../tensor/axis-map.ts';
import { hasAxis, type Axis } from '../../tensor/layout.ts';
import type { ModelFamily } from '../../model/family.ts';
import {
  defaultRules,
  type AxisChange,
  type GrowthMethod,
  type Insertion,
  type UnreachableSize,
} from '../method.ts';
import { findNormedScores } from '../plan/branch-norms.ts';
import type { Fill } from '../recipe.ts';

/** The axes that padding grows by adding heads and units. */
export const paddableAxes: readonly Axis[] = ['hidden', 'ffn', 'heads', 'kv_heads', 'group'];
/** Those, and wider heads. */
export const expandedAxes: readonly Axis[] = [...paddableAxes, 'head_dim'];

export const expand: GrowthMethod = {
  id: 'expand',
  title: 'Expansion',
  summary: 'Any size: old units keep their position; new ones are random, with zero-initialised outputs.',
  paper: 'arXiv:2308.06103',
  options: [
    {
      id: 'eps',
      label: 'Norms',
      kind: 'choice',
      default: 'keep',
      help: 'Padding lowers the mean square of the stream. Either its values or the norms compensate.',
      choices: [
        { value: 'keep', label: 'scale up the stream, keep every eps' },
        { value: 'scale', label: 'keep the stream, scale gains and eps (as in the paper)' },
      ],
    },
    {
      id: 'positions',
      label: 'Positions',
      kind: 'choice',
      default: 'keep',
      help: 'Where the rows of a longer position table come from.',
      choices: [
        { value: 'keep', label: 'old rows keep their place, new ones are their mean' },
        { value: 'interpolate', label: 'old rows spread over the new length, with values between them' },
      ],
    },
  ],
  grows: [...expandedAxes, 'positions', 'places'],
  allowsFrozen: (family, axis) => axis === 'head_dim' && findRotaryWidening(family) !== undefined,
  mapAxis: (change, options) => (isPositions(change.axis) ? mapPositions(change, options) : padAxis(change)),
  fill(insertion, options) {
    if (!isPositions(insertion.axis)) return fillWithoutEffect(insertion);
    return interpolates(options) ? 'between' : 'mean';
  },
  weightRules: ({ eps }) => ({ ...defaultRules, preserveBy: eps === 'scale' ? 'gains' : 'stream' }),
  promise(family, options, grown) {
    const { eps } = options;
    if (grown?.includes('positions') && interpolates(options))
      return {
        kind: 'none',
        why: ['Old positions move apart, so every text is read as if it had more room between its tokens.'],
      };
    const why = [
      ...(grown?.includes('positions')
        ? ['Old positions keep their rows, and no token attends to one behind it.']
        : []),
      ...explainStreamPadding(family, grown),
      'New inner units have output weights of zero.',
      ...explainWiderHeads(family, grown),
    ];
    const scalesEps = eps === 'scale' && growsStream(family, grown);
    const problem = scalesEps ? explainFixedEps(family) : undefined;
    return problem === undefined
      ? { kind: 'function-preserving', why }
      : { kind: 'none', why: [...why, problem] };
  },
  deadReason: (family, axis) => explainDeadHeads(family, axis),
};

const interpolates = ({ positions }: OptionValues): boolean => positions === 'interpolate';

/** Rows of the position table, and of one with rows before the first position. */
const isPositions = (axis: Axis): boolean => axis === 'positions' || axis === 'places';

function mapPositions({ from, to, family }: AxisChange, options: OptionValues): AxisMap | UnreachableSize {
  if (!interpolates(options)) return pad(from, to);
  if (family && 'places' in family.dims)
    return { nearest: [], why: 'its position table has rows before the first position' };
  return spread(from, to);
}

const growsStream = (family: ModelFamily, grown: readonly string[] | undefined): boolean =>
  grown === undefined || grown.includes(family.stream.axis);

/** Why padding the stream preserves the function. Empty if the stream does not grow. */
export function explainStreamPadding(family: ModelFamily, grown?: readonly string[]): readonly string[] {
  if (!growsStream(family, grown)) return [];
  if (family.stream.norm === 'rms')
    return ['New stream entries are zero, so norms see the same mean square after scaling.'];
  return [
    'New stream entries hold the mean of the old ones, so layer norms see the same mean and, after scaling, the ' +
      'same variance.',
  ];
}

/** Why eps cannot shrink with the stream (docs/methods.md, Norms); undefined if it can. */
function explainFixedEps(family: ModelFamily): string | undefined {
  const isInCode = !family.settings['eps']?.keys.length;
  if (isInCode)
    return 'This family fixes eps in code, so eps cannot shrink with the stream; the certificate measures the effect.';
  const hasOtherNorms = Object.values(family.tensors).some(
    (spec) => spec.kind === 'gain' && !hasAxis(spec.layout, family.stream.axis),
  );
  if (!hasOtherNorms) return undefined;
  return (
    'The norms of the stream and those of queries and keys share one eps, and only the former should shrink; the ' +
    'certificate measures the effect.'
  );
}

/**
 * How heads widen so that rotary embeddings stay the same (docs/methods.md, Attention heads). If whole heads
 * are rotated, pairs move to the positions of their frequencies (`scatter`). With a partial rotary factor the
 * rotated entries stay, and new ones follow the others (`append`). Undefined without rotary embeddings, and for whole
 * heads with interleaved pairs, which cannot widen.
 */
export function findRotaryWidening({ settings }: ModelFamily): 'scatter' | 'append' | undefined {
  if (!('ropeTheta' in settings)) return undefined;
  if ('partialRotaryFactor' in settings || 'rotaryWidth' in settings) return 'append';
  return 'ropeInterleaved' in settings ? undefined : 'scatter';
}

/** Old entries first and then new ones. Rotary pairs move to the positions of their frequencies. */
export function padAxis({ axis, from, to, family }: AxisChange): AxisMap | UnreachableSize {
  if (axis !== 'head_dim' || !family || findRotaryWidening(family) !== 'scatter') return pad(from, to);
  if (to % from === 0) return scatter(from, to);
  const below = Math.floor(to / from) * from;
  return { nearest: below === from ? [2 * from] : [below, below + from] };
}

/**
 * Why new head entries get no gradient: norms on queries and keys require zeros in both (docs/methods.md,
 * Norms). Undefined if they do get one.
 */
export function explainDeadHeads(family: ModelFamily, axis: Axis): string | undefined {
  if (axis !== family.scores.over || findNormedScores(family, axis).length < 2) return undefined;
  return (
    'norms on queries and keys require zeros in the new entries of both, which therefore get no gradient; those of ' +
    'values learn'
  );
}

function explainWiderHeads(family: ModelFamily, grown: readonly string[] | undefined): readonly string[] {
  if (!grown?.includes('head_dim')) return [];
  const widening = findRotaryWidening(family);
  if (widening === 'scatter')
    return ['Rotary pairs of wider heads move to the positions of their frequencies.'];
  if (widening === 'append')
    return ['Wider heads rotate as many entries as before; new entries are not rotated.'];
  return [];
}

/**
 * The fill with which new entries have no effect at first. New outputs to the stream are zero (or the mean),
 * new inputs from the stream are random. Inner units have random inputs and zero outputs. In each pair one
 * weight is random, because two zeros would get no gradient.
 */
export function fillWithoutEffect(insertion: Insertion): Fill {
  const { family, kind, axis, role } = insertion;
  const isStream = axis === family.stream.axis;
  if (kind === 'gain') return 'one';
  if (kind === 'shift') return 'zero';
  if (isStream && role === 'out') return family.stream.norm === 'layer' ? 'mean' : 'zero';
  if (kind === 'bias' || (axis === family.scores.over && isKey(insertion))) return 'zero';
  return isStream === (role === 'in') ? 'draw' : 'zero';
}

/** Whether the weight makes keys. They are zero in wider heads, and queries random, so that scores stay. */
function isKey({ family, key, part }: Insertion): boolean {
  const [weight, entry] = family.scores.between[1]!.split('/');
  return key.includes(`.${weight!}.`) && (entry === undefined || entry === part);
}
