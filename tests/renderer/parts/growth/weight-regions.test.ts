import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keep, pad, tile } from '../../../../src-main/tensor/axis-map.ts';
import { methods } from '../../../../src-main/growth/methods/index.ts';
import {
  buildBlock,
  type Block,
  type DrawnRecipe,
} from '../../../../src-renderer/parts/growth/weight-regions.ts';
import { GrowthState } from '../../../../src-renderer/state/growth.svelte.ts';
import { createSummary, gpt2Config, storiesConfig } from '../../fake/models.ts';

const createRecipe = (layout: string, more: Partial<DrawnRecipe> = {}): DrawnRecipe => ({
  layout,
  fills: {},
  spread: 'symmetric',
  zeroOutput: false,
  ...more,
});
const kindsOf = ({ regions }: Block): string => regions.map(({ kind }) => kind).join(' ');
/** The share of the weight that regions of `kind` cover, or all regions. */
const area = ({ regions }: Block, kind?: string): number =>
  regions
    .filter((region) => kind === undefined || region.kind === kind)
    .reduce((sum, { width, height }) => sum + width * height, 0);
const dims = { hidden: 8, ffn: 12, heads: 4, head_dim: 2, qkv: 3, kv_heads: 2, group: 2, vocab: 20 };

describe('blockOf', () => {
  it('is one old region for a weight that does not grow', () => {
    expect(kindsOf(buildBlock(createRecipe('ffn <- hidden'), { hidden: keep(8) }, dims, dims))).toBe('old');
  });
  it('has an old quarter and three copies if both axes are tiled', () => {
    const block = buildBlock(
      createRecipe('ffn <- hidden'),
      { hidden: tile(8, 16), ffn: tile(12, 24) },
      dims,
      {
        ...dims,
        hidden: 16,
        ffn: 24,
      },
    );
    expect(kindsOf(block)).toBe('old copy copy copy');
    expect(area(block, 'old')).toBeCloseTo(0.25, 12);
    expect(block.rows).toMatchObject({ from: 12, to: 24 });
  });
  it('has new regions with the fill of their axis if axes are padded, and zero where both are new', () => {
    const block = buildBlock(
      createRecipe('ffn <- hidden', { fills: { hidden: 'draw', ffn: 'zero' } }),
      { hidden: pad(8, 10), ffn: pad(12, 15) },
      dims,
      { ...dims, hidden: 10, ffn: 15 },
    );
    expect(kindsOf(block)).toBe('old draw zero zero');
    expect(area(block, 'old')).toBeCloseTo(0.64, 12);
  });
  it('has no rows for a vector', () => {
    const block = buildBlock(
      createRecipe('hidden', { fills: { hidden: 'one' } }),
      { hidden: pad(8, 16) },
      dims,
      {
        ...dims,
        hidden: 16,
      },
    );
    expect(block.rows).toBeUndefined();
    expect(kindsOf(block)).toBe('old one');
  });
  it('repeats old parts and copies in each part of a fused axis', () => {
    const block = buildBlock(createRecipe('hidden -> (qkv heads head_dim)'), { heads: tile(4, 8) }, dims, {
      ...dims,
      heads: 8,
    });
    expect(kindsOf(block)).toBe('old copy old copy old copy');
    expect(block.columns.axes.map((a) => a.axis)).toEqual(['qkv', 'heads', 'head_dim']);
  });
  it('lists parts of different shapes one after the other', () => {
    const before = { ...dims, hidden: 8 };
    const block = buildBlock(
      createRecipe('qkv(kv_heads group head_dim | kv_heads head_dim | kv_heads head_dim) <- hidden'),
      { kv_heads: tile(2, 4) },
      before,
      { ...before, kv_heads: 4 },
    );
    expect(kindsOf(block)).toBe('old copy old copy old copy');
    expect(block.regions.map((r) => r.height)).toEqual([1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8]);
    expect(block.rows).toMatchObject({ from: 16, to: 32 });
    expect(block.rows!.axes.map((a) => a.axis)).toEqual(['qkv', 'kv_heads', 'group', 'head_dim']);
  });
  it('has zeros off the diagonal for the diagonal spread', () => {
    const block = buildBlock(
      createRecipe('ffn <- hidden', { spread: 'diagonal' }),
      { hidden: tile(8, 16), ffn: tile(12, 24) },
      dims,
      { ...dims, hidden: 16, ffn: 24 },
    );
    expect(kindsOf(block)).toBe('old zero zero copy');
  });
  it('is one zero region for a zero-initialised weight', () => {
    expect(kindsOf(buildBlock(createRecipe('hidden <- ffn', { zeroOutput: true }), {}, dims, dims))).toBe(
      'zero',
    );
  });
  it('covers the weight exactly for any sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 30 }),
        (heads, more, grown) => {
          const from = { ...dims, heads, head_dim: 3 };
          const to = { ...from, heads: heads + grown, head_dim: 3 + more };
          const block = buildBlock(
            createRecipe('hidden <- (heads head_dim)', { fills: { heads: 'draw', head_dim: 'zero' } }),
            { heads: tile(heads, heads + grown), head_dim: pad(3, 3 + more) },
            from,
            to,
          );
          expect(area(block)).toBeCloseTo(1, 9);
          expect(block.regions.every((r) => r.x >= 0 && r.y >= 0 && r.x + r.width <= 1 + 1e-9)).toBe(true);
        },
      ),
    );
  });
  it('covers every weight of every method', () => {
    for (const source of [createSummary(storiesConfig, '/a'), createSummary(gpt2Config, '/b')])
      for (const id of methods.keys()) {
        const { plan, refusal } = new GrowthState(source, id);
        if (refusal?.code === 'growth/no-mixture') continue;
        for (const tensor of plan!.tensors) {
          const block = buildBlock(tensor, plan!.maps, plan!.from, plan!.to);
          expect(area(block), `${id} ${tensor.name}`).toBeCloseTo(1, 9);
        }
      }
  });
});
