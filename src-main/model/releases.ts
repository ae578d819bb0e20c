/** @file Builds the published sizes of a family (`releases` of its table). */
import type { Release } from './family.ts';

/** A model with grouped query heads. `headDim` defaults to hidden / heads. */
export const groupedRelease = (
  name: string,
  [hidden, ffn, layers, heads, kvHeads, headDim = hidden / heads]: readonly [
    hidden: number,
    ffn: number,
    layers: number,
    heads: number,
    kvHeads: number,
    headDim?: number,
  ],
): Release => ({
  name,
  dims: { hidden, ffn, layers, kv_heads: kvHeads, group: heads / kvHeads, head_dim: headDim },
});

/** A model with as many key and value heads as query heads, and an MLP of four times the hidden size. */
export const plainRelease = (
  name: string,
  [hidden, layers, heads]: readonly [hidden: number, layers: number, heads: number],
): Release => ({ name, dims: { hidden, ffn: 4 * hidden, layers, heads, head_dim: hidden / heads } });
