/**
 * @file Norms that are not on the residual stream, such as query and key norms, and how they restrict growth
 * (docs/methods.md, Norms).
 */
import { computeCoverage, hasNew, type AxisMap } from '../../tensor/axis-map.ts';
import { hasAxis, type Axis } from '../../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';

/** The gain of the norm that normalizes the output of a linear layer. `key` is its weight or bias. */
export function findNormAfter(family: ModelFamily, key: string): TensorSpec | undefined {
  const layer = key.replace(/\.(weight|bias)$/, '');
  return Object.values(family.tensors).find(
    ({ normalizes }) => normalizes !== undefined && normalizes.replace(/\.weight$/, '') === layer,
  );
}

/** The number of old entries divided by the number of all entries that the gain's norm averages over. */
export const computeOldShare = ({ layout }: TensorSpec, map: (axis: Axis) => AxisMap): number =>
  layout.axes.reduce((product, { axis }) => product * computeCoverage(map(axis)), 1);

/** Whether new output entries along `axis` must be zero, so that the norm after them sees the old values. */
export function mustBeZeroForNorm(family: ModelFamily, key: string, axis: Axis): boolean {
  const norm = findNormAfter(family, key);
  return norm !== undefined && axis !== family.stream.axis && hasAxis(norm.layout, axis);
}

/** Which of queries and keys have a norm that averages over `axis`. */
export const findNormedScores = ({ scores, tensors }: ModelFamily, axis: Axis): readonly string[] =>
  scores.between.filter((name) =>
    Object.entries(tensors).some(
      ([key, { normalizes, layout }]) =>
        normalizes !== undefined && key.includes(`.${name}.`) && hasAxis(layout, axis),
    ),
  );

/** Why a norm over heads rules out this map; undefined if none does. */
export function explainForbiddenMap(family: ModelFamily, axis: string, map: AxisMap): string | undefined {
  const normed = findNormedScores(family, axis as Axis);
  const isUneven = map.counts?.some((n) => n !== map.counts![0]);
  if (normed.length > 0 && isUneven)
    return 'a norm spans all heads, and uneven copies would change its mean square';
  if (normed.length > 1 && axis !== family.scores.over && hasNew(map))
    return (
      'norms span the queries and keys of all heads: new heads would have to be zero in both, would never ' +
      'learn, and only whole copies preserve the function'
    );
  return undefined;
}

/** Whether a tied head can stay tied when the stream grows: the norm before it needs a gain. */
export const canCompensateHead = ({ head, tensors }: ModelFamily): boolean =>
  head.norm === undefined || tensors[`${head.norm}.weight`] !== undefined;
