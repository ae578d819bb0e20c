/** @file The sizes of a model that a user may name. */
import { refuse } from '../../base/errors.ts';
import type { ModelFamily } from '../../model/family.ts';
import type { Dims } from '../../tensor/layout.ts';

/** Whether query heads share key and value heads, so that their number is `kv_heads` × `group`. */
export const hasGroupedHeads = (family: ModelFamily): boolean =>
  'kv_heads' in family.dims && 'group' in family.dims;

/** The sizes that a user may name, including `heads` in families with grouped heads. */
export const listSizes = (family: ModelFamily): readonly string[] => [
  ...Object.keys(family.dims),
  ...(hasGroupedHeads(family) ? ['heads'] : []),
];

/** Adds the number of query heads as `heads` to the sizes of a family with grouped heads. */
export const addHeads = (dims: Dims): Dims =>
  'kv_heads' in dims ? { ...dims, heads: dims['kv_heads']! * dims['group']! } : dims;

/** Sizes from factors: `{ hidden: 2 }` doubles the hidden size. Refuses products that are not integers. */
export function multiplySizes(times: Readonly<Record<string, number>>, dims: Dims): Dims {
  const known = addHeads(dims);
  const sizes = Object.entries(times).map(([axis, factor]) => {
    const from = known[axis] ?? refuse('growth/unknown-axis', { axis, known: Object.keys(known) });
    const product = from * factor;
    const to = Math.round(product);
    if (Math.abs(to - product) > 1e-9 * to) {
      const nearest = [Math.floor(product), Math.ceil(product)];
      refuse('growth/not-whole', { axis, from, times: factor, nearest });
    }
    return [axis, to] as const;
  });
  return Object.fromEntries(sizes);
}
