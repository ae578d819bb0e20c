/** @file Sizes to grow tiny models to, by what a method can do: whole multiples, any size, or more layers. */
import type { TinyModel } from '../tiny-model.ts';

export type Sizes = Readonly<Record<string, number>>;
export type SizesOf = (source: TinyModel) => readonly Sizes[];
type SourceSizes = Readonly<Record<string, number>>;

const sizesOf = ({ dims }: TinyModel): SourceSizes => dims as SourceSizes;

/** Whole multiples of hidden, ffn and the numbers of heads. */
const wholeMultiples: SizesOf = (source) => {
  const { hidden, ffn, kv_heads: kv, group } = sizesOf(source);
  const heads =
    kv === undefined
      ? []
      : [
          { kv_heads: 2 * kv },
          { group: 3 * group! },
          { hidden: 2 * hidden!, group: 2 * group!, kv_heads: kv },
          { heads: 2 * kv * group! },
        ];
  return [
    { hidden: 2 * hidden! },
    { hidden: 3 * hidden!, ffn: 2 * ffn! },
    { ffn: 3 * ffn! },
    { hidden: 4 * hidden!, ffn: 4 * ffn! },
    ...heads,
  ];
};

/** Sizes that are not multiples of the old ones. */
const oddSizes: SizesOf = (source) => {
  const { hidden, ffn, heads, kv_heads: kv, group, head_dim: head } = sizesOf(source);
  if (kv === undefined) {
    return [
      { ffn: ffn! + 7 },
      { hidden: hidden! + head! },
      { hidden: hidden! + 2 * head!, ffn: ffn! + 1 },
      { hidden: head! * (heads! + 3), heads: heads! + 3 },
    ];
  }
  const query = kv * group!;
  return [
    { ffn: ffn! + 7 },
    { hidden: hidden! + query },
    { hidden: hidden! + query, kv_heads: kv, group: group! },
    { hidden: (kv + 1) * group! * 4, kv_heads: kv + 1 },
    { hidden: kv * (group! + 1) * 5, group: group! + 1, ffn: ffn! + 3 },
  ];
};

const anySizes: SizesOf = (source) => {
  const { hidden, ffn, kv_heads: kv, group } = sizesOf(source);
  const heads =
    kv === undefined
      ? []
      : [
          { hidden: (hidden! * (kv + 1)) / kv, kv_heads: kv + 1 },
          { hidden: (hidden! * (group! + 1)) / group!, group: group! + 1 },
        ];
  return [...oddSizes(source), ...heads, { ffn: 2 * ffn! }, { ffn: 3 * ffn! + 1 }];
};

/** Sizes inside a layer: units of the MLP, and heads. */
const innerSizes: SizesOf = (source) => {
  const { ffn, kv_heads: kv, group } = sizesOf(source);
  const heads =
    kv === undefined
      ? []
      : [
          { kv_heads: 2 * kv },
          { kv_heads: kv + 1 },
          { kv_heads: 2 * kv + 1, group: 2 * group! + 1 },
          { group: group! + 1, ffn: ffn! + 1 },
        ];
  return [{ ffn: ffn! + 7 }, { ffn: 2 * ffn! }, { ffn: 2 * ffn! + 5 }, ...heads];
};

/** Larger heads. */
const headSizes: SizesOf = (source) => {
  const { hidden, heads, kv_heads: kv, group, head_dim: head } = sizesOf(source);
  if (kv === undefined) {
    return [
      { hidden: hidden! + heads!, heads: heads! },
      { hidden: 3 * hidden!, heads: heads! },
    ];
  }
  return [
    { head_dim: 2 * head! },
    { head_dim: 3 * head!, hidden: 2 * hidden! },
    { head_dim: head! + 2 },
    { hidden: 2 * hidden!, kv_heads: kv, group: group! },
  ];
};

/** A longer position table. */
const morePositions: SizesOf = (source) => {
  const { positions } = sizesOf(source);
  return positions === undefined ? [] : [{ positions: 2 * positions }, { positions: positions + 5 }];
};

const moreLayers: SizesOf = () => [3, 4, 6, 7, 8, 9, 12].map((layers) => ({ layers }));

/** What each method is asked for. Some of it is refused for some families. */
export const targetSizes: Readonly<Record<string, SizesOf>> = {
  hypercloning: wholeMultiples,
  'clone-pad': (source) => [...anySizes(source), ...wholeMultiples(source)],
  expand: (source) => [...anySizes(source), ...headSizes(source), ...morePositions(source)],
  net2net: innerSizes,
  aki: innerSizes,
  'copy-pad': (source) => [...anySizes(source), ...headSizes(source)],
  'shrink-perturb': anySizes,
  identity: moreLayers,
  stack: moreLayers,
  interleave: moreLayers,
  solar: () => [{ layers: 4 }, { layers: 2 }, { layers: 3 }],
  vocab: (source) => [1, 9, 41].map((more) => ({ vocab: sizesOf(source)['vocab']! + more })),
  upcycle: () => [{}],
};
