/**
 * @file Wishes: what follows, what is refused, and the nearest sizes that are offered, which must then be
 * accepted.
 */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { multiplySizes, listSizes } from '../../../src-main/growth/plan/sizes.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

const to = (config: JsonObject, request: GrowthRequest): Record<string, number> =>
  planGrowth(makeTinyModel(config), request).to as Record<string, number>;
function refusal(
  config: JsonObject,
  request: GrowthRequest,
): { code: string; message: string; nearest: readonly number[] } {
  try {
    planGrowth(makeTinyModel(config), request);
  } catch (e) {
    if (e instanceof AppError)
      return {
        code: e.code,
        message: e.message,
        nearest: (e.detail as { nearest?: readonly number[] }).nearest ?? [],
      };
    throw e;
  }
  throw new Error('nothing was refused');
}

describe('what is not named', () => {
  it('follows hidden: key and value heads, or the group where there is one of them', () => {
    expect(to(llama, makeRequest('hypercloning', { hidden: 24 }))).toMatchObject({
      kv_heads: 4,
      group: 3,
      head_dim: 4,
      ffn: 20,
    });
    expect(
      to(
        { ...llama, num_attention_heads: 3, num_key_value_heads: 1 },
        makeRequest('hypercloning', { hidden: 24 }),
      ),
    ).toMatchObject({ kv_heads: 1, group: 6 });
    expect(to(gpt2, makeRequest('hypercloning', { hidden: 24 }))).toMatchObject({ heads: 6, head_dim: 4 });
    expect(to(gpt2, makeRequest('expand', { hidden: 16 }))).toMatchObject({ heads: 4, head_dim: 4, ffn: 20 });
  });
  it('stays where a number of heads is named, or no whole number follows', () => {
    expect(to(llama, makeRequest('hypercloning', { hidden: 24, kv_heads: 2 }))).toMatchObject({
      kv_heads: 2,
      group: 3,
    });
    expect(
      to(
        { ...llama, hidden_size: 24, num_attention_heads: 4, num_key_value_heads: 2 },
        makeRequest('expand', { hidden: 32 }),
      ),
    ).toMatchObject({ kv_heads: 2, group: 2 });
  });
  it('query heads may be named in every family', () => {
    expect(to(llama, makeRequest('hypercloning', { heads: 12 }))).toMatchObject({ kv_heads: 2, group: 6 });
    expect(to(llama, makeRequest('hypercloning', { hidden: 24, heads: 12, kv_heads: 4 }))).toMatchObject({
      kv_heads: 4,
      group: 3,
    });
    expect(listSizes(familyOf(llama))).toContain('heads');
  });
  it('options decide sizes that are not named', () => {
    expect(to({ ...llama, num_hidden_layers: 32 }, makeRequest('solar', {}, { k: 8 }))['layers']).toBe(48);
    expect(to({ ...llama, num_hidden_layers: 32 }, makeRequest('solar', { layers: 48 }))['layers']).toBe(48);
    expect(to(llama, makeRequest('vocab', {}, { multiple: 16 }))['vocab']).toBe(32);
    expect(to(llama, makeRequest('vocab', { vocab: 33 }, { multiple: 64 }))['vocab']).toBe(64);
  });
  it('heads widen where they are not rotary, and where their pairs can be scattered', () => {
    expect(to(gpt2, makeRequest('expand', { hidden: 18, heads: 3 }))).toMatchObject({
      heads: 3,
      head_dim: 6,
    });
    expect(to(llama, makeRequest('expand', { head_dim: 8 }))).toMatchObject({ hidden: 12, head_dim: 8 });
  });
  it('factors become sizes', () => {
    expect(multiplySizes({ hidden: 2, ffn: 1.5, heads: 2 }, makeTinyModel(llama).dims)).toEqual({
      hidden: 24,
      ffn: 30,
      heads: 12,
    });
    expect(() => multiplySizes({ ffn: 1.33 }, makeTinyModel(llama).dims)).toThrow('not a whole number');
    expect(() => multiplySizes({ width: 2 }, makeTinyModel(llama).dims)).toThrow('not a size');
  });
});

describe('refusals', () => {
  const cases: readonly [string, JsonObject, GrowthRequest, string, (readonly number[])?][] = [
    ['shrinking', llama, makeRequest('expand', { hidden: 8 }), 'growth/smaller'],
    ['an unknown size', llama, makeRequest('expand', { width: 8 }), 'growth/unknown-axis'],
    ["another family's size", gpt2, makeRequest('expand', { kv_heads: 8 }), 'growth/unknown-axis'],
    ['rotary frequencies', llama, makeRequest('hypercloning', { head_dim: 8 }), 'growth/frozen'],
    ['rotary frequencies, by any method', llama, makeRequest('identity', { head_dim: 8 }), 'growth/frozen'],
    [
      'depth by a method of width',
      llama,
      makeRequest('hypercloning', { layers: 4 }),
      'growth/not-by-this-method',
    ],
    [
      'width by a method of depth',
      llama,
      makeRequest('identity', { hidden: 24 }),
      'growth/not-by-this-method',
    ],
    ['vocabulary', llama, makeRequest('expand', { vocab: 64 }), 'growth/not-by-this-method'],
    ['positions', gpt2, makeRequest('expand', { positions: 64 }), 'growth/not-by-this-method'],
    ['no multiple', llama, makeRequest('hypercloning', { hidden: 30 }), 'growth/not-a-multiple', [24, 36]],
    ['no multiple of ffn', gpt2, makeRequest('hypercloning', { ffn: 30 }), 'growth/not-a-multiple', [40]],
    ['heads that would not fit', gpt2, makeRequest('expand', { hidden: 17 }), 'growth/constraint', [16, 18]],
    [
      'a width no head count divides',
      llama,
      makeRequest('expand', { hidden: 13 }),
      'growth/constraint',
      [18],
    ],
    ['heads without width', gpt2, makeRequest('hypercloning', { heads: 6 }), 'growth/derived', [24]],
    ['heads that would widen', gpt2, makeRequest('clone-pad', { hidden: 18, heads: 3 }), 'growth/derived'],
    [
      'wider heads by copies of heads',
      gpt2,
      makeRequest('clone-pad', { head_dim: 8 }),
      'growth/not-by-this-method',
    ],
    ['wider heads without width', gpt2, makeRequest('expand', { head_dim: 8 }), 'growth/derived', [24]],
    [
      'rotary heads by no whole factor',
      llama,
      makeRequest('expand', { head_dim: 10 }),
      'growth/not-a-multiple',
      [8, 12],
    ],
    ['rotary heads by copies', llama, makeRequest('clone-pad', { head_dim: 8 }), 'growth/frozen'],
    [
      'heads with norms of their own, by no whole factor',
      { ...llama, model_type: 'qwen3' },
      makeRequest('expand', { head_dim: 10 }),
      'growth/not-a-multiple',
      [8, 12],
    ],
    ['half a stack', llama, makeRequest('stack', { layers: 7 }), 'growth/not-a-multiple', [6, 8]],
    [
      'an odd number of layers to trim',
      { ...llama, num_hidden_layers: 8 },
      makeRequest('solar', { layers: 13 }),
      'growth/constraint',
      [12, 14],
    ],
    [
      'a depth that k does not give',
      { ...llama, num_hidden_layers: 8 },
      makeRequest('solar', { layers: 14 }, { k: 2 }),
      'growth/constraint',
      [12],
    ],
    ['hidden by replication', llama, makeRequest('net2net', { hidden: 24 }), 'growth/not-by-this-method'],
    [
      'query heads that cannot share',
      llama,
      makeRequest('expand', { heads: 9 }),
      'growth/constraint',
      [8, 10],
    ],
    ['nothing', llama, makeRequest('expand', { hidden: 12 }), 'growth/nothing'],
    ['nothing named', llama, makeRequest('identity', {}), 'growth/nothing'],
    ['a slip of the finger', llama, makeRequest('expand', { ffn: 2_000_000 }), 'growth/too-large'],
    ['an unknown method', llama, makeRequest('magic', { hidden: 24 }), 'growth/unknown-method'],
    ['an unknown option', llama, makeRequest('expand', { hidden: 24 }, { noise: 10 }), 'growth/bad-option'],
    [
      'an impossible option',
      llama,
      makeRequest('hypercloning', { hidden: 24 }, { noise: 900 }),
      'growth/bad-option',
    ],
  ];
  it.each(cases)('of %s', (_, config, request, code, nearest) => {
    const found = refusal(config, request);
    expect(found.code).toBe(code);
    expect(found.message).not.toMatch(/undefined|NaN| is \.$/);
    if (nearest) expect(found.nearest).toEqual(nearest);
  });
  it('the nearest sizes are accepted', () => {
    for (const [, config, request, code, nearest] of cases) {
      if (!nearest) continue;
      const axis =
        code === 'growth/derived' ||
        (code === 'growth/constraint' && !('heads' in request.to || 'layers' in request.to))
          ? 'hidden'
          : Object.keys(request.to)[0]!;
      for (const size of nearest)
        if (!(axis === 'heads'))
          expect(to(config, { ...request, to: { ...request.to, [axis]: size } })[axis]).toBe(size);
    }
  });
});
