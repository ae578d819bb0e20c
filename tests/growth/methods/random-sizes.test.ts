/** @file Random models grown to random sizes: whatever a method plans as exact keeps the logits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { exactTolerance, makeRequest, makeTinyModel, maxLogitChange, type TinyModel } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';

interface Dims {
  readonly hidden: number;
  readonly ffn: number;
  readonly kv_heads: number;
  readonly group: number;
}
const dimsOf = (source: TinyModel): Dims => source.dims as unknown as Dims;

/** The plan, or undefined if the request is refused; any other error fails the test. */
function planUnlessRefused(source: TinyModel, request: GrowthRequest): GrowthPlan | undefined {
  try {
    return planGrowth(source, request);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return undefined;
  }
}

const randomConfig = fc
  .record({
    kv: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    head: fc.constantFrom(2, 4),
    width: fc.integer({ min: 1, max: 2 }),
    ffn: fc.integer({ min: 3, max: 9 }),
    tied: fc.boolean(),
    biases: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .map(({ kv, group, head, width, ffn, tied, biases }): JsonObject => ({
    ...llama,
    hidden_size: kv * group * width * 2,
    num_attention_heads: kv * group,
    num_key_value_heads: kv,
    head_dim: head,
    intermediate_size: ffn,
    tie_word_embeddings: tied,
    attention_bias: biases,
    mlp_bias: biases,
    num_hidden_layers: 1,
    vocab_size: 11,
  }));

describe('random sizes', () => {
  it('expand keeps the logits', () => {
    let planned = 0;
    const sizes = fc.tuple(
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 2 }),
    );
    const property = fc.property(randomConfig, sizes, (config, [hidden, ffn, kv, group]) => {
      const source = makeTinyModel(config);
      const dims = dimsOf(source);
      const to = {
        hidden: dims.hidden + hidden,
        ffn: dims.ffn + ffn,
        kv_heads: dims.kv_heads + kv,
        group: dims.group + group,
      };
      const plan = planUnlessRefused(source, makeRequest('expand', to));
      if (!plan) return;
      planned++;
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    });
    fc.assert(property, { numRuns: 150 });
    expect(planned).toBeGreaterThan(15);
  });

  it.each(['clone-pad', 'net2net'])('%s keeps the logits', (method) => {
    let planned = 0;
    const sizes = fc.tuple(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
    );
    const symmetryBreaking = fc.constantFrom('noise', 'projection');
    const property = fc.property(
      randomConfig,
      sizes,
      symmetryBreaking,
      fc.nat(),
      (config, [hidden, ffn, kv, group], breaking, seed) => {
        const source = makeTinyModel(config);
        const dims = dimsOf(source);
        const heads = { kv_heads: dims.kv_heads + kv, group: dims.group + group };
        const queryHeads = heads.kv_heads * heads.group;
        const isNet2Net = method === 'net2net';
        // net2net keeps hidden, which the number of query heads must divide.
        const width = isNet2Net
          ? {}
          : { hidden: Math.ceil((dims.hidden + hidden) / queryHeads) * queryHeads };
        const fits = !isNet2Net || dims.hidden % queryHeads === 0;
        const to = { ffn: dims.ffn + ffn, ...(fits ? heads : {}), ...width };
        const plan = planUnlessRefused(source, makeRequest(method, to, { break: breaking }, seed));
        if (!plan) return;
        planned++;
        expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
      },
    );
    fc.assert(property, { numRuns: 80 });
    expect(planned).toBeGreaterThan(40);
  });

  it('hypercloning by any factors keeps the logits', () => {
    const factor = fc.integer({ min: 1, max: 4 });
    const property = fc.property(
      randomConfig,
      fc.tuple(factor, factor, factor, factor),
      fc.constantFrom('symmetric', 'diagonal'),
      (config, [width, ffn, kv, group], variant) => {
        const source = makeTinyModel(config);
        const dims = dimsOf(source);
        const to = {
          hidden: dims.hidden * width * kv * group,
          ffn: dims.ffn * ffn,
          kv_heads: dims.kv_heads * kv,
          group: dims.group * group,
        };
        if (width * ffn * kv * group === 1 || to.hidden > 120) return;
        const plan = planGrowth(source, makeRequest('hypercloning', to, { variant }));
        expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });
});
