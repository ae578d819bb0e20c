/**
 * @file Norms that read what a linear writes rather than the stream (queries, keys, ends of branches), and
 * what stands before a reader that has no gain: what they ask of growth (methods.md 1.6, 1.7).
 */
import { density, hasNew, type AxisMap } from '../../tensor/axis-map.ts';
import { hasAxis, type Axis } from '../../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';

/** The gain of the norm that reads what this line (a linear or its bias) writes. */
export const findNormAfter = (family: ModelFamily, key: string): TensorSpec | undefined =>
  Object.values(family.tensors).find(
    ({ normalizes: of }) =>
      of !== undefined && of.replace(/\.weight$/, '') === key.replace(/\.(weight|bias)$/, ''),
  );

/** The share of old entries among all that the gain's norm averages over. */
export const computeOldShare = ({ layout }: TensorSpec, map: (axis: Axis) => AxisMap): number =>
  layout.axes.reduce((product, { axis }) => product * density(map(axis)), 1);

/**
 * Whether new entries of `axis` must be zero in what this line writes, so that the norm after it sees no more
 * than before.
 */
export function mustBeZeroForNorm(family: ModelFamily, key: string, axis: Axis): boolean {
  const norm = findNormAfter(family, key);
  return norm !== undefined && axis !== family.stream.axis && hasAxis(norm.layout, axis);
}

/** Queries, keys or both: those whose own norm averages over this axis. */
export const findNormedScores = ({ scores, tensors }: ModelFamily, axis: Axis): readonly string[] =>
  scores.between.filter((name) =>
    Object.entries(tensors).some(
      ([key, { normalizes: of, layout }]) =>
        of !== undefined && key.includes(`.${name}.`) && hasAxis(layout, axis),
    ),
  );

/** Why a norm over heads forbids this map, if it does. */
export function explainForbiddenMap(family: ModelFamily, axis: string, map: AxisMap): string | undefined {
  const over = findNormedScores(family, axis as Axis);
  if (over.length > 0 && map.counts?.some((n) => n !== map.counts![0]))
    return 'a norm spans all heads, and uneven copies would change their mean square';
  if (over.length > 1 && axis !== family.scores.over && hasNew(map))
    return 'norms span queries and keys of all heads; new ones would have to be zero on both sides and would never learn, so that only whole copies keep the function';
  return undefined;
}

/** Whether the tied head could pay for a wider stream: only a gain before it can hold the factor. */
export const canCompensateHead = ({ head, tensors }: ModelFamily): boolean =>
  head.norm === undefined || tensors[`${head.norm}.weight`] !== undefined;
