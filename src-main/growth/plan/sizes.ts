/**
 * @file From a wish to all sizes of the grown model: what is not named follows from the others, or stays;
 * what cannot be is refused with the nearest sizes that can.
 */
import { refuse, type ErrorCode, type ErrorDetail } from '../../base/errors.ts';
import type { OptionValues } from '../../base/option.ts';
import { brokenConstraints, withDerivedDims } from '../../model/config.ts';
import type { ModelFamily } from '../../model/family.ts';
import type { AxisMap } from '../../tensor/axis-map.ts';
import type { Axis, Dims } from '../../tensor/layout.ts';
import type { GrowthMethod } from '../method.ts';
import { methods } from '../methods/index.ts';
import { explainForbiddenMap } from './branch-norms.ts';
import { padsNormedStream } from './post-norm.ts';

/** Beyond this a size is taken for a slip of the finger. */
const most = 2 ** 20;

/** A refusal not yet thrown: looking for the nearest possible size asks many times. */
interface Problem {
  readonly refuse: () => never;
}
const problem = <C extends ErrorCode>(code: C, detail: ErrorDetail<C>): Problem => ({
  refuse: () => refuse(code, detail),
});
const isProblem = (found: Dims | Problem): found is Problem => typeof found['refuse'] === 'function';

const shared = (family: ModelFamily): boolean => 'kv_heads' in family.dims && 'group' in family.dims;

/** The sizes a person may name; `heads` also where query heads are `kv_heads` × `group`. */
export const listSizes = (family: ModelFamily): readonly string[] => [
  ...Object.keys(family.dims),
  ...(shared(family) ? ['heads'] : []),
];

/** `dims` with the number of query heads under its name in every family. */
export const addHeads = (dims: Dims): Dims =>
  'kv_heads' in dims ? { ...dims, heads: dims['kv_heads']! * dims['group']! } : dims;

/** Sizes from factors: `{ hidden: 2 }` is twice the hidden size. Refuses what is not whole. */
export function multiplySizes(times: Readonly<Record<string, number>>, dims: Dims): Dims {
  const known = addHeads(dims);
  return Object.fromEntries(
    Object.entries(times).map(([axis, factor]) => {
      const from = known[axis] ?? refuse('growth/unknown-axis', { axis, known: Object.keys(known) });
      const to = Math.round(from * factor);
      if (Math.abs(to - from * factor) > 1e-9 * to)
        refuse('growth/not-whole', {
          axis,
          from,
          times: factor,
          nearest: [Math.floor(from * factor), Math.ceil(from * factor)],
        });
      return [axis, to];
    }),
  );
}

/**
 * All sizes of the grown model. Refuses what shrinks, does not exist, is frozen, is not this method's, does
 * not fit, or grows nothing.
 */
export function resolveTargetSizes(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  from: Dims,
  wish: Dims,
): Dims {
  for (const [axis, to] of Object.entries(wish)) named(family, method, from, axis, to);
  const found = resolve(family, method, options, from, {
    ...wish,
    ...method.sizesFromOptions?.(from, wish, options),
  });
  if (isProblem(found)) return found.refuse();
  if (Object.keys(found).every((axis) => found[axis] === from[axis]))
    refuse('growth/nothing', { method: method.id });
  return found;
}

/** Refuses a named size that no other size could make possible. */
function named(family: ModelFamily, method: GrowthMethod, from: Dims, axis: string, to: number): void {
  const old = (shared(family) ? addHeads(from) : from)[axis];
  if (old === undefined || !listSizes(family).includes(axis))
    return refuse('growth/unknown-axis', { axis, known: listSizes(family) });
  if (!Number.isInteger(to) || to < old) refuse('growth/smaller', { axis, from: old, to });
  if (to > most) refuse('growth/too-large', { axis, to, most });
  const why = family.frozen[axis as Axis];
  if (to > old && why !== undefined && method.allowsFrozen?.(family, axis as Axis) !== true)
    refuse('growth/frozen', { axis, why });
  if (
    to > old &&
    !method.grows.includes(axis as Axis) &&
    !(axis === 'heads' && method.grows.includes('group'))
  )
    refuse('growth/not-by-this-method', {
      axis,
      method: method.id,
      methods: [...methods.values()].filter((m) => m.grows.includes(axis as Axis)).map((m) => m.id),
    });
}

/**
 * The sizes that `wish` leads to, or the first reason why it cannot be. `seek` also looks for near sizes that
 * can.
 */
function resolve(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  from: Dims,
  wish: Dims,
  seek = true,
): Dims | Problem {
  for (const [axis, to] of Object.entries(wish)) {
    const stuck =
      from[axis] !== undefined &&
      family.dims[axis]!.keys.length > 0 &&
      reach(family, method, options, axis, from[axis], to);
    if (stuck) return stuck;
  }
  const dims = followed(
    family,
    from,
    wish,
    (axis, to) => !reach(family, method, options, axis, from[axis]!, to),
  );
  if (isProblem(dims)) return dims;
  const near = (axis: string, good: (dims: Dims) => boolean = () => true): readonly number[] =>
    seek ? nearest(family, method, options, from, wish, axis, good) : [];
  const breach = brokenConstraints(family, dims)[0];
  if (breach)
    return problem('growth/constraint', {
      axis: breach.axis,
      to: dims[breach.axis]!,
      why: breach.why,
      nearest: near(breach.axis),
    });
  for (const [axis, field] of Object.entries(family.dims)) {
    if (field.keys.length > 0) continue;
    const size = dims[axis]!;
    const asked = wish[axis];
    const reached = (d: Dims): boolean =>
      method.grows.includes(axis as Axis) &&
      d[axis]! > from[axis]! &&
      !reach(family, method, options, axis, from[axis]!, d[axis]!);
    const fits = (d: Dims): boolean =>
      asked === undefined ? d[axis] === from[axis] || reached(d) : d[axis] === asked;
    const grown =
      size !== from[axis] &&
      (!method.grows.includes(axis as Axis) ||
        (family.frozen[axis as Axis] !== undefined && method.allowsFrozen?.(family, axis as Axis) !== true));
    if (!grown && fits(dims)) continue;
    const of = family.stream.axis;
    return problem('growth/derived', {
      axis,
      from: `the other sizes (here it would be ${size})`,
      of,
      nearest: near(of, fits),
    });
  }
  for (const axis of Object.keys(dims)) {
    const stuck = reach(family, method, options, axis, from[axis]!, dims[axis]!);
    if (stuck) return stuck;
  }
  return dims;
}

/** Why the method cannot carry this axis, or nothing. */
function reach(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  axis: string,
  from: number,
  to: number,
): Problem | undefined {
  if (to === from) return undefined;
  const carried =
    axis === 'layers'
      ? method.mapLayers?.(from, to, options)
      : method.mapAxis({ axis: axis as Axis, from, to, family }, options);
  if (!carried || Array.isArray(carried)) return undefined;
  if ('from' in carried) {
    if (method.promise(family, options, [axis]).kind !== 'exact') return undefined;
    const why = explainForbiddenMap(family, axis, carried);
    if (why !== undefined)
      return problem('growth/constraint', {
        axis,
        to,
        why,
        nearest: wholeNear(
          family,
          method,
          options,
          axis,
          from,
          to,
          (map) => explainForbiddenMap(family, axis, map) === undefined,
        ),
      });
    return padsNormedStream(family, axis, carried)
      ? normed(family, method, options, axis, from, to)
      : undefined;
  }
  if (!('nearest' in carried)) return undefined;
  const { nearest, why } = carried;
  return why === undefined
    ? problem('growth/not-a-multiple', { axis, from, to, nearest })
    : problem('growth/constraint', { axis, to, why, nearest });
}

/** Norms on the stream allow whole copies alone. */
const normed = (
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  axis: string,
  from: number,
  to: number,
): Problem =>
  problem('growth/post-norm', {
    axis,
    from,
    to,
    nearest: wholeNear(
      family,
      method,
      options,
      axis,
      from,
      to,
      (map) => !padsNormedStream(family, axis, map),
    ),
  });

/** Whole multiples beside `to` whose maps are good. */
function wholeNear(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  axis: string,
  from: number,
  to: number,
  good: (map: AxisMap) => boolean,
): readonly number[] {
  const fits = (size: number): boolean => {
    const map = method.mapAxis({ axis: axis as Axis, from, to: size, family }, options);
    return size > from && 'from' in map && good(map);
  };
  return [Math.floor(to / from) * from, (Math.floor(to / from) + 1) * from].filter(fits);
}

/**
 * The wish completed: heads named or, when hidden grows and no number of heads is named, in the same
 * proportion if that is whole and can be.
 */
function followed(
  family: ModelFamily,
  from: Dims,
  wish: Dims,
  can: (axis: string, to: number) => boolean,
): Dims | Problem {
  const { heads: query, ...rest } = wish;
  const split = shared(family);
  const dims: Record<string, number> = { ...from, ...(split ? rest : wish) };
  if (split && query !== undefined) {
    const group = query / dims['kv_heads']!;
    const fits =
      wish['group'] === undefined
        ? Number.isInteger(group) && group >= from['group']!
        : wish['group'] === group;
    if (!fits) {
      const step = dims['kv_heads']!;
      const least = step * (wish['group'] ?? from['group']!);
      const near = [Math.floor(group) * step, Math.ceil(group) * step].filter(
        (n) => n >= least && n !== query,
      );
      return problem('growth/constraint', {
        axis: 'heads',
        to: query,
        why: `there are ${step} key and value heads, and each serves a whole number of query heads`,
        nearest: near.length ? near : [least],
      });
    }
    dims['group'] = group;
  }
  const ratio = dims[family.stream.axis]! / from[family.stream.axis]!;
  const wider = wish['head_dim'] !== undefined && wish['head_dim'] !== from['head_dim'];
  if (ratio > 1 && !wider && ['heads', 'kv_heads', 'group'].every((axis) => wish[axis] === undefined)) {
    const counts = split ? (from['kv_heads'] === 1 ? ['group'] : ['kv_heads']) : ['heads'];
    for (const axis of counts)
      if (Number.isInteger(from[axis]! * ratio) && can(axis, from[axis]! * ratio))
        dims[axis] = from[axis]! * ratio;
  }
  return withDerivedDims(family, dims);
}

/** The nearest sizes of `axis` below and above the wish with which all would fit. */
function nearest(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  from: Dims,
  wish: Dims,
  axis: string,
  good: (dims: Dims) => boolean,
): readonly number[] {
  const start = wish[axis] ?? from[axis]!;
  const far = Math.max(from[axis]! * 2, 64);
  const can = (size: number): boolean => {
    if (size < from[axis]! || size > most) return false;
    const found = resolve(family, method, options, from, { ...wish, [axis]: size }, false);
    return !isProblem(found) && good(found) && Object.keys(found).some((a) => found[a] !== from[a]);
  };
  const below = steps(start, -1, far).find(can);
  const above = steps(start, 1, far).find(can);
  return [below, above].filter((n) => n !== undefined);
}

const steps = (from: number, by: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => from + by * (i + 1));
