import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keep, pad, tile } from '../../../../src-main/tensor/axis-map.ts';
import { methods } from '../../../../src-main/growth/methods/index.ts';
import { blockOf, type Block, type Drawn } from '../../../../src-renderer/parts/growth/weight-regions.ts';
import { GrowthState } from '../../../../src-renderer/state/growth.svelte.ts';
import { cardOf, small, stories } from '../../fake-service.ts';

const recipe = (layout: string, more: Partial<Drawn> = {}): Drawn => ({
  layout,
  fills: {},
  spread: 'symmetric',
  silent: false,
  ...more,
});
const kinds = (block: Block): string => block.regions.map((r) => r.kind).join(' ');
const area = (block: Block, kind?: string): number =>
  block.regions
    .filter((r) => kind === undefined || r.kind === kind)
    .reduce((sum, r) => sum + r.width * r.height, 0);
const dims = { hidden: 8, ffn: 12, heads: 4, head_dim: 2, qkv: 3, kv_heads: 2, group: 2, vocab: 20 };

describe('blockOf', () => {
  it('keeps a weight whose axes stay as one old block', () => {
    expect(kinds(blockOf(recipe('ffn <- hidden'), { hidden: keep(8) }, dims, dims))).toBe('old');
  });
  it('tile: one old quarter, three copies', () => {
    const block = blockOf(recipe('ffn <- hidden'), { hidden: tile(8, 16), ffn: tile(12, 24) }, dims, {
      ...dims,
      hidden: 16,
      ffn: 24,
    });
    expect(kinds(block)).toBe('old copy copy copy');
    expect(area(block, 'old')).toBeCloseTo(0.25, 12);
    expect(block.rows).toMatchObject({ from: 12, to: 24 });
  });
  it('pad: new parts are filled as the recipe says, zero wins where two meet', () => {
    const block = blockOf(
      recipe('ffn <- hidden', { fills: { hidden: 'draw', ffn: 'zero' } }),
      { hidden: pad(8, 10), ffn: pad(12, 15) },
      dims,
      { ...dims, hidden: 10, ffn: 15 },
    );
    expect(kinds(block)).toBe('old draw zero zero');
    expect(area(block, 'old')).toBeCloseTo(0.64, 12);
  });
  it('a vector is a strip without rows', () => {
    const block = blockOf(recipe('hidden', { fills: { hidden: 'one' } }), { hidden: pad(8, 16) }, dims, {
      ...dims,
      hidden: 16,
    });
    expect(block.rows).toBeUndefined();
    expect(kinds(block)).toBe('old one');
  });
  it('a fused triple grows within each of its entries', () => {
    const block = blockOf(recipe('hidden -> (qkv heads head_dim)'), { heads: tile(4, 8) }, dims, {
      ...dims,
      heads: 8,
    });
    expect(kinds(block)).toBe('old copy old copy old copy');
    expect(block.columns.axes.map((a) => a.axis)).toEqual(['qkv', 'heads', 'head_dim']);
  });
  it('entries of unequal form grow one after the other', () => {
    const before = { ...dims, hidden: 8 };
    const block = blockOf(
      recipe('qkv(kv_heads group head_dim | kv_heads head_dim | kv_heads head_dim) <- hidden'),
      { kv_heads: tile(2, 4) },
      before,
      { ...before, kv_heads: 4 },
    );
    expect(kinds(block)).toBe('old copy old copy old copy');
    expect(block.regions.map((r) => r.height)).toEqual([1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8]);
    expect(block.rows).toMatchObject({ from: 16, to: 32 });
    expect(block.rows!.axes.map((a) => a.axis)).toEqual(['qkv', 'kv_heads', 'group', 'head_dim']);
  });
  it('diagonal: a copied output reads its own copy alone', () => {
    const block = blockOf(
      recipe('ffn <- hidden', { spread: 'diagonal' }),
      { hidden: tile(8, 16), ffn: tile(12, 24) },
      dims,
      { ...dims, hidden: 16, ffn: 24 },
    );
    expect(kinds(block)).toBe('old zero zero copy');
  });
  it('a silent weight is all new zeros', () => {
    expect(kinds(blockOf(recipe('hidden <- ffn', { silent: true }), {}, dims, dims))).toBe('zero');
  });
  it('covers the block exactly, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 30 }),
        (heads, more, grown) => {
          const from = { ...dims, heads, head_dim: 3 };
          const to = { ...from, heads: heads + grown, head_dim: 3 + more };
          const block = blockOf(
            recipe('hidden <- (heads head_dim)', { fills: { heads: 'draw', head_dim: 'zero' } }),
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
  it('draws every weight of every method and family', () => {
    for (const card of [cardOf(stories, '/a'), cardOf(small, '/b')])
      for (const id of methods.keys()) {
        const { plan, refusal } = new GrowthState(card, id);
        if (refusal?.code === 'growth/no-mixture') continue;
        for (const one of plan!.tensors)
          expect(area(blockOf(one, plan!.maps, plan!.from, plan!.to)), `${id} ${one.name}`).toBeCloseTo(1, 9);
      }
  });
});
