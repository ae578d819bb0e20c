/**
 * @file From the requested sizes to all sizes of the grown model. Sizes that are not requested follow from the
 * others, or stay. Impossible sizes are refused with the nearest possible ones.
 */
import { refuse, type ErrorCode, type ErrorDetail } from '../../base/errors.ts';
import { brokenConstraints, withDerivedDims } from '../../model/config.ts';
import type { ModelFamily } from '../../model/family.ts';
import type { AxisMap } from '../../tensor/axis-map.ts';
import type { Axis, Dims } from '../../tensor/layout.ts';
import type { ConfiguredMethod, GrowthMethod } from '../method.ts';
import { methods } from '../methods/index.ts';
import { explainForbiddenMap } from './branch-norms.ts';
import { padsNormedStream } from './post-norm.ts';
import { addHeads, hasGroupedHeads, listSizes } from './sizes.ts';

/** Larger sizes are taken for typing errors. */
const maxSize = 2 ** 20;

/** A refusal that has not been thrown: the search for the nearest possible size produces many. */
interface Problem {
  readonly refuse: () => never;
}

const createProblem = <C extends ErrorCode>(code: C, detail: ErrorDetail<C>): Problem => ({
  refuse: () => refuse(code, detail),
});

const isProblem = (found: Dims | Problem): found is Problem => typeof found['refuse'] === 'function';

interface Growth extends ConfiguredMethod {
  readonly from: Dims;
}

/**
 * All sizes of the grown model. Refuses sizes that shrink, do not exist, are frozen, cannot be grown by the
 * method, or do not fit together, and requests that grow nothing.
 */
export function resolveTargetSizes(configured: ConfiguredMethod, from: Dims, requested: Dims): Dims {
  const { method, options } = configured;
  const growth: Growth = { ...configured, from };
  for (const [axis, to] of Object.entries(requested)) checkRequestedSize(growth, axis, to);
  const all = { ...requested, ...method.sizesFromOptions?.(from, requested, options) };
  const found = resolveSizes(growth, all);
  if (isProblem(found)) return found.refuse();
  if (Object.keys(found).every((axis) => found[axis] === from[axis]))
    refuse('growth/nothing', { method: method.id });
  return found;
}

/** Whether the family declares the axis frozen and the method cannot grow it all the same. */
const isFrozen = (family: ModelFamily, method: GrowthMethod, axis: string): boolean =>
  family.frozen[axis as Axis] !== undefined && method.allowsFrozen?.(family, axis as Axis) !== true;

const canGrow = (method: GrowthMethod, axis: string): boolean => method.grows.includes(axis as Axis);

/** Refuses a size that is impossible whatever the other sizes are. */
function checkRequestedSize({ family, method, from }: Growth, axis: string, to: number): void {
  const known = hasGroupedHeads(family) ? addHeads(from) : from;
  const old = known[axis];
  if (old === undefined || !listSizes(family).includes(axis))
    return refuse('growth/unknown-axis', { axis, known: listSizes(family) });
  if (!Number.isInteger(to)) refuse('growth/not-an-integer', { axis, from: old });
  if (to < old) refuse('growth/smaller', { axis, from: old, to });
  if (to > maxSize) refuse('growth/too-large', { axis, to, most: maxSize });
  if (to === old) return;
  if (isFrozen(family, method, axis)) refuse('growth/frozen', { axis, why: family.frozen[axis as Axis]! });
  const growsHeads = axis === 'heads' && canGrow(method, 'group');
  if (!canGrow(method, axis) && !growsHeads)
    refuse('growth/not-by-this-method', {
      axis,
      method: method.id,
      methods: [...methods.values()].filter((m) => canGrow(m, axis)).map((m) => m.id),
    });
}

/**
 * The sizes that follow from the requested ones, or the first problem. Without `seek` the problem does not
 * name the nearest possible sizes, which takes many calls.
 */
function resolveSizes(growth: Growth, requested: Dims, seek = true): Dims | Problem {
  const { family, from } = growth;
  for (const [axis, to] of Object.entries(requested)) {
    const isStored = from[axis] !== undefined && family.dims[axis]!.keys.length > 0;
    const problem = isStored ? findMapProblem(growth, axis, to) : undefined;
    if (problem) return problem;
  }
  const dims = completeSizes(growth, requested);
  if (isProblem(dims)) return dims;
  const findNear = (axis: string, isGood: (dims: Dims) => boolean): readonly number[] =>
    seek ? findNearestSizes(growth, requested, axis, isGood) : [];
  const broken = brokenConstraints(family, dims)[0];
  if (broken)
    return createProblem('growth/constraint', {
      axis: broken.axis,
      to: dims[broken.axis]!,
      why: broken.why,
      nearest: findNear(broken.axis, () => true),
    });
  const derived = findDerivedProblem(growth, requested, dims, findNear);
  if (derived) return derived;
  for (const axis of Object.keys(dims)) {
    const problem = findMapProblem(growth, axis, dims[axis]!);
    if (problem) return problem;
  }
  return dims;
}

/** Finds a derived size, such as a head size that follows from others, that is not as requested or cannot grow. */
function findDerivedProblem(
  growth: Growth,
  requested: Dims,
  dims: Dims,
  findNear: (axis: string, isGood: (dims: Dims) => boolean) => readonly number[],
): Problem | undefined {
  const { family, method, from } = growth;
  for (const [axis, field] of Object.entries(family.dims)) {
    if (field.keys.length > 0) continue;
    const size = dims[axis]!;
    const isReachable = (d: Dims): boolean =>
      canGrow(method, axis) && d[axis]! > from[axis]! && !findMapProblem(growth, axis, d[axis]!);
    const fits = (d: Dims): boolean =>
      requested[axis] === undefined ? d[axis] === from[axis] || isReachable(d) : d[axis] === requested[axis];
    const cannotGrow = size !== from[axis] && (!canGrow(method, axis) || isFrozen(family, method, axis));
    if (!cannotGrow && fits(dims)) continue;
    const of = family.stream.axis;
    return createProblem('growth/derived', {
      axis,
      from: `the other sizes (here it would be ${size})`,
      of,
      nearest: findNear(of, fits),
    });
  }
  return undefined;
}

/** Why the method cannot map an axis to this size; undefined if it can. */
function findMapProblem(growth: Growth, axis: string, to: number): Problem | undefined {
  const { family, method, options } = growth;
  const from = growth.from[axis]!;
  if (to === from) return undefined;
  const map =
    axis === 'layers'
      ? method.mapLayers?.(from, to, options)
      : method.mapAxis({ axis: axis as Axis, from, to, family }, options);
  if (!map || Array.isArray(map)) return undefined;
  if ('from' in map) return findNormProblem(growth, axis, map);
  if (!('nearest' in map)) return undefined;
  const { nearest, why } = map;
  return why === undefined
    ? createProblem('growth/not-a-multiple', { axis, from, to, nearest })
    : createProblem('growth/constraint', { axis, to, why, nearest });
}

/** Why norms rule out a map of a method that is meant to preserve the function; undefined if they do not. */
function findNormProblem(growth: Growth, axis: string, map: AxisMap): Problem | undefined {
  const { family, method, options } = growth;
  const { from, to } = map;
  const isPromised = method.promise(family, options, [axis]).kind !== 'none';
  const why = isPromised ? explainForbiddenMap(family, axis, map) : undefined;
  if (why !== undefined) {
    const isAllowed = (other: AxisMap): boolean => explainForbiddenMap(family, axis, other) === undefined;
    const nearest = findNearestMultiples(growth, axis, to, isAllowed);
    return createProblem('growth/constraint', { axis, to, why, nearest });
  }
  // Not the promise: a method that compensates for padding cannot do it here, whatever it does with eps.
  const compensates = method.weightRules(options).preserveBy !== 'none';
  if (!compensates || !padsNormedStream(family, axis, map)) return undefined;
  const isWhole = (other: AxisMap): boolean => !padsNormedStream(family, axis, other);
  const nearest = findNearestMultiples(growth, axis, to, isWhole);
  return createProblem('growth/post-norm', { axis, from, to, nearest });
}

/** The multiples of the old size next to `to` whose maps are good. */
function findNearestMultiples(
  { method, options, family, from: dims }: Growth,
  axis: string,
  to: number,
  isGood: (map: AxisMap) => boolean,
): readonly number[] {
  const from = dims[axis]!;
  const below = Math.floor(to / from) * from;
  return [below, below + from].filter((size) => {
    const map = method.mapAxis({ axis: axis as Axis, from, to: size, family }, options);
    return size > from && 'from' in map && isGood(map);
  });
}

/**
 * The requested sizes completed. If the hidden size grows and no number of heads is requested, heads grow in
 * the same proportion where that is possible.
 */
function completeSizes(growth: Growth, requested: Dims): Dims | Problem {
  const { family, from } = growth;
  const { heads, ...rest } = requested;
  const isGrouped = hasGroupedHeads(family);
  const dims: Record<string, number> = { ...from, ...(isGrouped ? rest : requested) };
  if (isGrouped && heads !== undefined) {
    const group = heads / dims['kv_heads']!;
    const fits =
      requested['group'] === undefined
        ? Number.isInteger(group) && group >= from['group']!
        : requested['group'] === group;
    if (!fits) return createHeadsProblem(heads, dims['kv_heads']!, requested['group'] ?? from['group']!);
    dims['group'] = group;
  }
  const ratio = dims[family.stream.axis]! / from[family.stream.axis]!;
  const hasWiderHeads = requested['head_dim'] !== undefined && requested['head_dim'] !== from['head_dim'];
  const namesHeads = ['heads', 'kv_heads', 'group'].some((axis) => requested[axis] !== undefined);
  if (ratio > 1 && !hasWiderHeads && !namesHeads) {
    const axis = headAxisOf(family, from);
    const count = from[axis]! * ratio;
    const isFree = !isFrozen(family, growth.method, axis);
    if (isFree && Number.isInteger(count) && !findMapProblem(growth, axis, count)) dims[axis] = count;
  }
  return withDerivedDims(family, dims);
}

/** The axis whose growth adds heads. With one key and value head (MQA) that is the group. */
function headAxisOf(family: ModelFamily, from: Dims): string {
  if (!hasGroupedHeads(family)) return 'heads';
  return from['kv_heads'] === 1 ? 'group' : 'kv_heads';
}

function createHeadsProblem(heads: number, kvHeads: number, group: number): Problem {
  const least = kvHeads * group;
  const ratio = heads / kvHeads;
  const near = [Math.floor(ratio) * kvHeads, Math.ceil(ratio) * kvHeads].filter(
    (n) => n >= least && n !== heads,
  );
  return createProblem('growth/constraint', {
    axis: 'heads',
    to: heads,
    why: `there are ${kvHeads} key and value heads, and each serves a whole number of query heads`,
    nearest: near.length > 0 ? near : [least],
  });
}

/** The nearest sizes of `axis` below and above the requested one with which all sizes fit. */
function findNearestSizes(
  growth: Growth,
  requested: Dims,
  axis: string,
  isGood: (dims: Dims) => boolean,
): readonly number[] {
  const { from } = growth;
  const start = requested[axis] ?? from[axis]!;
  const reach = Math.max(from[axis]! * 2, 64);
  const isPossible = (size: number): boolean => {
    if (size < from[axis]! || size > maxSize) return false;
    const found = resolveSizes(growth, { ...requested, [axis]: size }, false);
    return !isProblem(found) && isGood(found) && Object.keys(found).some((a) => found[a] !== from[a]);
  };
  const distances = Array.from({ length: reach }, (_, i) => i + 1);
  const below = distances.map((distance) => start - distance).find(isPossible);
  const above = distances.map((distance) => start + distance).find(isPossible);
  return [below, above].filter((n) => n !== undefined);
}
