/** @file The sizes of a plan: what follows from a request, what is refused, and which sizes are offered instead. */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

const sizesOf = (config: JsonObject, request: GrowthRequest): Record<string, number> =>
  planGrowth(makeTinyModel(config), request).to as Record<string, number>;

const mqa = { ...llama, num_attention_heads: 3, num_key_value_heads: 1 };
const wideHeads = { ...llama, hidden_size: 24, num_attention_heads: 4, num_key_value_heads: 2 };
const eightLayers = { ...llama, num_hidden_layers: 8 };
const deep = { ...llama, num_hidden_layers: 32 };
const qwen3 = { ...llama, model_type: 'qwen3' };

describe('a size that is not requested', () => {
  it('follows hidden if it is a number of heads: of KV heads, or of query heads per KV head for MQA', () => {
    const clone = makeRequest('hypercloning', { hidden: 24 });
    expect(sizesOf(llama, clone)).toMatchObject({ kv_heads: 4, group: 3, head_dim: 4, ffn: 20 });
    expect(sizesOf(mqa, clone)).toMatchObject({ kv_heads: 1, group: 6 });
    expect(sizesOf(gpt2, clone)).toMatchObject({ heads: 6, head_dim: 4 });
    expect(sizesOf(gpt2, makeRequest('expand', { hidden: 16 }))).toMatchObject({
      heads: 4,
      head_dim: 4,
      ffn: 20,
    });
  });

  it('stays if another number of heads is requested, or no whole number follows', () => {
    const clone = makeRequest('hypercloning', { hidden: 24, kv_heads: 2 });
    expect(sizesOf(llama, clone)).toMatchObject({ kv_heads: 2, group: 3 });
    const expand = makeRequest('expand', { hidden: 32 });
    expect(sizesOf(wideHeads, expand)).toMatchObject({ kv_heads: 2, group: 2 });
  });

  it('follows the number of query heads, which every family accepts', () => {
    const queryHeads = makeRequest('hypercloning', { heads: 12 });
    expect(sizesOf(llama, queryHeads)).toMatchObject({ kv_heads: 2, group: 6 });
    const both = makeRequest('hypercloning', { hidden: 24, heads: 12, kv_heads: 4 });
    expect(sizesOf(llama, both)).toMatchObject({ kv_heads: 4, group: 3 });
  });

  it('follows options of the method', () => {
    expect(sizesOf(deep, makeRequest('solar', {}, { k: 8 }))['layers']).toBe(48);
    expect(sizesOf(deep, makeRequest('solar', { layers: 48 }))['layers']).toBe(48);
    expect(sizesOf(llama, makeRequest('vocab', {}, { multiple: 16 }))['vocab']).toBe(32);
    expect(sizesOf(llama, makeRequest('vocab', { vocab: 33 }, { multiple: 64 }))['vocab']).toBe(64);
  });
});

describe('larger heads', () => {
  it('are possible without RoPE, and with RoPE if pairs can be scattered', () => {
    const withoutRope = makeRequest('expand', { hidden: 18, heads: 3 });
    expect(sizesOf(gpt2, withoutRope)).toMatchObject({ heads: 3, head_dim: 6 });
    const scattered = makeRequest('expand', { head_dim: 8 });
    expect(sizesOf(llama, scattered)).toMatchObject({ hidden: 12, head_dim: 8 });
  });
});

describe('a request is refused', () => {
  const ask = makeRequest;
  type Refusal = [
    what: string,
    config: JsonObject,
    request: GrowthRequest,
    code: string,
    nearest?: readonly number[],
  ];
  // One refusal a line: the request, its error code, the sizes that the error offers.
  // prettier-ignore
  const refusals: readonly Refusal[] = [
    ['for a smaller size', llama, ask('expand', { hidden: 8 }), 'growth/smaller'],
    ['for an unknown size', llama, ask('expand', { width: 8 }), 'growth/unknown-axis'],
    ['for a size of another family', gpt2, ask('expand', { kv_heads: 8 }), 'growth/unknown-axis'],
    ['for larger RoPE heads by copies', llama, ask('hypercloning', { head_dim: 8 }), 'growth/frozen'],
    ['for larger RoPE heads by a method of depth', llama, ask('identity', { head_dim: 8 }), 'growth/frozen'],
    ['for layers by a method of width', llama, ask('hypercloning', { layers: 4 }), 'growth/not-by-this-method'],
    ['for hidden by a method of depth', llama, ask('identity', { hidden: 24 }), 'growth/not-by-this-method'],
    ['for vocab by a method of width', llama, ask('expand', { vocab: 64 }), 'growth/not-by-this-method'],
    ['for positions', gpt2, ask('hypercloning', { positions: 64 }), 'growth/not-by-this-method'],
    ['for copies of hidden that are not whole', llama, ask('hypercloning', { hidden: 30 }), 'growth/not-a-multiple', [24, 36]],
    ['for copies of ffn that are not whole', gpt2, ask('hypercloning', { ffn: 30 }), 'growth/not-a-multiple', [40]],
    ['for a hidden size that whole heads do not fill', gpt2, ask('expand', { hidden: 17 }), 'growth/constraint', [16, 18]],
    ['for a hidden size that no number of heads divides', llama, ask('expand', { hidden: 13 }), 'growth/constraint', [18]],
    ['for heads without hidden', gpt2, ask('hypercloning', { heads: 6 }), 'growth/derived', [24]],
    ['for hidden that would make heads larger', gpt2, ask('clone-pad', { hidden: 18, heads: 3 }), 'growth/derived'],
    ['for larger heads by copies of heads', gpt2, ask('clone-pad', { head_dim: 8 }), 'growth/not-by-this-method'],
    ['for larger heads without hidden', gpt2, ask('expand', { head_dim: 8 }), 'growth/derived', [24]],
    ['for larger RoPE heads by no whole factor', llama, ask('expand', { head_dim: 10 }), 'growth/not-a-multiple', [8, 12]],
    ['for larger RoPE heads by copies of pairs', llama, ask('clone-pad', { head_dim: 8 }), 'growth/frozen'],
    ['for larger heads with norms by no whole factor', qwen3, ask('expand', { head_dim: 10 }), 'growth/not-a-multiple', [8, 12]],
    ['for a stack that is not whole', llama, ask('stack', { layers: 7 }), 'growth/not-a-multiple', [6, 8]],
    ['for an odd number of layers to trim', eightLayers, ask('solar', { layers: 13 }), 'growth/constraint', [12, 14]],
    ['for a depth that k does not give', eightLayers, ask('solar', { layers: 14 }, { k: 2 }), 'growth/constraint', [12]],
    ['for hidden by a method of inner units', llama, ask('net2net', { hidden: 24 }), 'growth/not-by-this-method'],
    ['for query heads that KV heads cannot share', llama, ask('expand', { heads: 9 }), 'growth/constraint', [8, 10]],
    ['for the sizes of the source', llama, ask('expand', { hidden: 12 }), 'growth/nothing'],
    ['without sizes', llama, ask('identity', {}), 'growth/nothing'],
    ['for a size far too large', llama, ask('expand', { ffn: 2_000_000 }), 'growth/too-large'],
    ['for an unknown method', llama, ask('magic', { hidden: 24 }), 'growth/unknown-method'],
    ['with an unknown option', llama, ask('expand', { hidden: 24 }, { noise: 10 }), 'growth/bad-option'],
    ['with an option out of range', llama, ask('hypercloning', { hidden: 24 }, { noise: 900 }), 'growth/bad-option'],
  ];

  function errorOf(config: JsonObject, request: GrowthRequest): AppError {
    try {
      planGrowth(makeTinyModel(config), request);
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    throw new Error('the request was planned');
  }

  it.each(refusals)('%s', (_, config, request, code, nearest) => {
    const error = errorOf(config, request);
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/undefined|NaN| is \.$/);
    if (nearest) expect((error.detail as { nearest: unknown }).nearest).toEqual(nearest);
  });

  it('with sizes that it accepts', () => {
    for (const [, config, request, code, nearest] of refusals) {
      if (!nearest) continue;
      const requested = Object.keys(request.to)[0]!;
      const offersHidden =
        code === 'growth/derived' ||
        (code === 'growth/constraint' && !('heads' in request.to || 'layers' in request.to));
      const axis = offersHidden ? 'hidden' : requested;
      if (axis === 'heads') continue;
      for (const size of nearest) {
        const offered = { ...request, to: { ...request.to, [axis]: size } };
        expect(sizesOf(config, offered)[axis]).toBe(size);
      }
    }
  });
});
