/**
 * @file Growth of Gemma, OLMo and Phi-3 and their kin: every row of methods.md 11 that concerns them, what
 * must fail, what is written to config.json, and what cannot be.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { pad } from '../../src-main/tensor/axis-map.ts';
import { gemma, gemma2, gemma3, olmo, olmo2, phi3, scaled } from './scaled.ts';
import { ask, grow, moved, tiny } from './tiny.ts';

const exact = 1e-9;
const named = { gemma, gemma2, gemma3, olmo, olmo2, phi3 };
const spoil = (
  config: JsonObject,
  request: GrowthRequest,
  change: (recipe: TensorRecipe) => TensorRecipe,
  replan: (plan: GrowthPlan) => GrowthPlan = (p) => p,
): number => {
  const source = tiny(config);
  const plan = replan(planGrowth(source, request));
  return moved(source, plan, grow(plan, source.weights, change));
};
const without =
  (text: string) =>
  (r: TensorRecipe): TensorRecipe => ({ ...r, factors: r.factors.filter((f) => !f.why.includes(text)) });
const factor = (plan: GrowthPlan, name: string): number =>
  plan.tensors.find((t) => t.name.endsWith(name))!.factors.reduce((p, f) => p * f.by, 1);
const kept = (config: JsonObject, request: GrowthRequest): number => {
  const source = tiny(config);
  const plan = planGrowth(source, request);
  expect(plan.promise.kind).toBe('exact');
  return moved(source, plan);
};

describe('copies', () => {
  const ways = [
    { noise: null },
    { noise: 10 },
    { variant: 'diagonal', noise: null },
    { variant: 'diagonal', noise: 10 },
    { break: 'projection' },
  ];
  it.each(
    Object.entries(scaled).flatMap(([name, config]) =>
      ways.map((options) => [name, JSON.stringify(options), config, options] as const),
    ),
  )('%s %s', (_, __, config, options) => {
    const { hidden, ffn } = tiny(config).dims as Record<string, number>;
    for (const [n, m] of [
      [2, 2],
      [3, 1],
      [4, 2],
      [1, 3],
    ] as const)
      expect(kept(config, ask('hypercloning', { hidden: n * hidden!, ffn: m * ffn! }, options))).toBeLessThan(
        exact,
      );
  });
  it.each(Object.entries(scaled))(
    '%s: query heads inside and beside groups, any width, depth of none',
    (_, config) => {
      const { hidden, group, kv_heads: kv } = tiny(config).dims as Record<string, number>;
      expect(
        kept(config, ask('hypercloning', { hidden: 4 * hidden!, kv_heads: 2 * kv!, group: 2 * group! })),
      ).toBeLessThan(exact);
      expect(
        kept(
          config,
          ask('expand', { hidden: 2 * hidden!, kv_heads: kv!, group: group! + 1 === 4 ? 4 : 2 * group! }),
        ),
      ).toBeLessThan(exact);
      expect(kept(config, ask('identity', { layers: 7 }))).toBe(0);
    },
  );
});

describe('a padded stream whose gains and eps follow (variant A)', () => {
  const gap = (config: JsonObject, change: Partial<JsonObject> = {}): number => {
    const source = tiny(config);
    const plan = planGrowth(source, ask('expand', { hidden: 18 }, { eps: 'scale' }));
    return moved(source, plan, grow(plan, source.weights), { ...plan.config, ...change } as JsonObject);
  };
  it.each(Object.entries({ gemma, gemma2, phi3 }))('%s is exact, and not without eps', (_, config) => {
    expect(planGrowth(tiny(config), ask('expand', { hidden: 18 }, { eps: 'scale' })).promise.kind).toBe(
      'exact',
    );
    expect(gap(config)).toBeLessThan(exact);
    expect(gap(config, { rms_norm_eps: 0.01 })).toBeGreaterThan(1e-5);
  });
  it.each(Object.entries({ gemma3, olmo, olmo2 }))(
    '%s is not, and says so: its eps serves other norms, or is fixed',
    (_, config) => {
      expect(planGrowth(tiny(config), ask('expand', { hidden: 18 }, { eps: 'scale' })).promise.kind).toBe(
        'approximate',
      );
      expect(gap(config)).toBeGreaterThan(1e-7);
      expect(gap(config)).toBeLessThan(0.2);
    },
  );
});

describe('heads made wider by scattering their pairs', () => {
  it.each(Object.entries({ gemma, gemma2, olmo }))('%s', (_, config) => {
    for (const times of [2, 3])
      expect(kept(config, ask('expand', { head_dim: 4 * times }))).toBeLessThan(exact);
    const appended = spoil(
      config,
      ask('expand', { head_dim: 8 }),
      (r) => r,
      (plan) => ({ ...plan, maps: { ...plan.maps, head_dim: pad(4, 8) } }),
    );
    expect(appended).toBeGreaterThan(1e-3);
  });
  it('scores that no size scales get no factor', () => {
    expect(
      factor(planGrowth(tiny(gemma2), ask('expand', { head_dim: 8 })), '0.self_attn.k_proj.weight'),
    ).toBe(1);
    expect(
      factor(planGrowth(tiny(gemma), ask('expand', { head_dim: 8 })), '0.self_attn.k_proj.weight'),
    ).not.toBe(1);
  });
  it.each(Object.entries({ gemma3, olmo2 }))(
    '%s: norms on queries and keys leave new entries of both dead',
    (_, config) => {
      for (const times of [2, 3])
        expect(kept(config, ask('expand', { head_dim: 4 * times }))).toBeLessThan(exact);
      expect(planGrowth(tiny(config), ask('expand', { head_dim: 8 })).dead.map(({ axis }) => axis)).toEqual([
        'head_dim',
      ]);
      expect(
        spoil(config, ask('expand', { head_dim: 8 }), (r) =>
          /[qk]_norm/.test(r.name) ? { ...r, factors: [] } : r,
        ),
      ).toBeGreaterThan(1e-3);
    },
  );
  it('phi3: of any width, since a share is turned', () => {
    for (const to of [6, 7, 12]) expect(kept(phi3, ask('expand', { head_dim: to }))).toBeLessThan(exact);
  });
});

describe('embeddings times the square root of hidden', () => {
  it('are divided by the ratio of what transformers really multiplies by, and the tied norm pays', () => {
    const plan = planGrowth(tiny({ ...gemma, torch_dtype: 'bfloat16' }), ask('hypercloning', { hidden: 24 }));
    // sqrt(12) and sqrt(24) in bfloat16
    expect(factor(plan, 'embed_tokens.weight')).toBeCloseTo(3.46875 / 4.90625, 12);
    expect(factor(plan, 'model.norm.weight')).toBeCloseTo(4.90625 / 3.46875 / 2, 12);
    expect(plan.tensors.find((t) => t.name === 'model.norm.weight')!.offset).toBe(1);
  });
  it('stay as they are in a padded stream: their normaliser stretches it', () => {
    const plan = planGrowth(tiny(gemma), ask('expand', { hidden: 18 }));
    expect(Math.abs(factor(plan, 'embed_tokens.weight') - 1)).toBeLessThan(2e-7);
    expect(factor(plan, 'model.norm.weight')).toBeCloseTo(Math.sqrt(12 / 18), 6);
  });
  it('follow a change of the element type', () => {
    const source = tiny({ ...gemma, hidden_size: 24 });
    const plan = planGrowth(source, { ...ask('identity', { layers: 3 }), dtype: 'bfloat16' });
    expect(plan.config['torch_dtype']).toBe('bfloat16');
    expect(moved(source, plan)).toBeLessThan(exact);
    expect(moved(source, plan, grow(plan, source.weights, without('multiplies embeddings')))).toBeGreaterThan(
      1e-4,
    );
  });
  it('the number before rounding would not do', () => {
    const half = { ...gemma, torch_dtype: 'bfloat16' };
    const ideal = (r: TensorRecipe): TensorRecipe => ({
      ...r,
      factors: r.factors.map((f) =>
        f.why.includes('multiplies embeddings') ? { ...f, by: Math.SQRT1_2 } : f,
      ),
    });
    expect(spoil(half, ask('hypercloning', { hidden: 24 }, { noise: null }), ideal)).toBeGreaterThan(1e-4);
  });
});

describe('what must fail does', () => {
  it.each(Object.entries({ gemma, gemma2, gemma3 }))('%s: gains scaled as they are stored', (_, config) => {
    expect(spoil(config, ask('hypercloning', { hidden: 24 }), (r) => ({ ...r, offset: 0 }))).toBeGreaterThan(
      0.01,
    );
    expect(spoil(config, ask('expand', { hidden: 18 }), (r) => ({ ...r, offset: 0 }))).toBeGreaterThan(0.01);
  });
  it.each(Object.entries(named))('%s: readers that do not divide', (_, config) =>
    expect(spoil(config, ask('hypercloning', { hidden: 24 }), without('equal copies of'))).toBeGreaterThan(
      0.01,
    ),
  );
  it.each(Object.entries({ gemma, gemma2, gemma3, olmo2, phi3 }))(
    '%s: a padded stream that gains do not undo',
    (_, config) =>
      expect(spoil(config, ask('expand', { hidden: 18 }), without('undoes the stretching'))).toBeGreaterThan(
        0.01,
      ),
  );
  it.each(Object.entries({ gemma2, gemma3, olmo2 }))(
    '%s: norms at the end of a branch whose input is not stretched',
    (_, config) => {
      expect(
        spoil(config, ask('expand', { hidden: 18 }), (r) =>
          /o_proj|down_proj/.test(r.name) ? without('stretches')(r) : r,
        ),
      ).toBeGreaterThan(1e-4);
    },
  );
  it('olmo: zeros instead of means, readers that nothing undoes', () => {
    const zeros = (r: TensorRecipe): TensorRecipe => ({
      ...r,
      fills: Object.fromEntries(
        Object.entries(r.fills).map(([axis, fill]) => [axis, fill === 'mean' ? 'zero' : fill]),
      ),
    });
    expect(spoil(olmo, ask('expand', { hidden: 18 }), zeros)).toBeGreaterThan(0.01);
    expect(spoil(olmo, ask('expand', { hidden: 18 }), without('undoes the stretching'))).toBeGreaterThan(
      0.01,
    );
  });
  it('olmo2: new query heads that are not zero, or that the norm over all of them does not make up for', () => {
    const to = { hidden: 24, kv_heads: 2, group: 4 };
    expect(kept(olmo2, ask('expand', to))).toBeLessThan(exact);
    expect(
      spoil(olmo2, ask('expand', to), (r) =>
        r.name.includes('q_proj') ? { ...r, deviation: 0.5, fills: { ...r.fills, group: 'draw' } } : r,
      ),
    ).toBeGreaterThan(1e-3);
    expect(
      spoil(olmo2, ask('expand', to), (r) => (r.name.includes('q_norm') ? { ...r, factors: [] } : r)),
    ).toBeGreaterThan(1e-3);
  });
  it('phi3: one matrix tiled as if it were plain', () => {
    const flat = (r: TensorRecipe): TensorRecipe => ({
      ...r,
      layout: r.layout.startsWith('qkv(') ? 'ffn <- hidden' : r.layout,
    });
    const source = tiny(phi3);
    const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }, { noise: null }));
    expect(moved(source, plan)).toBeLessThan(exact);
    const rows = 40;
    const tiled = {
      ...plan.maps,
      ffn: {
        from: rows,
        to: 2 * rows,
        copies: 2,
        pieces: [
          { at: 0, from: 0, length: rows, copy: 0 },
          { at: rows, from: 0, length: rows, copy: 1 },
        ],
      },
    };
    const only = grow(
      { ...plan, maps: tiled, tensors: plan.tensors.filter((t) => t.layout.startsWith('qkv(')) },
      source.weights,
      flat,
    );
    expect(moved(source, plan, new Map([...grow(plan, source.weights), ...only]))).toBeGreaterThan(1e-3);
  });
  it('phi3: gate and up tiled as one', () => {
    const source = tiny(phi3);
    const plan = planGrowth(source, ask('hypercloning', { ffn: 40 }, { noise: null }));
    const grown = new Map(grow(plan, source.weights));
    const name = 'model.layers.0.mlp.gate_up_proj.weight';
    const old = source.weights.get(name)!;
    grown.set(
      name,
      Float64Array.from({ length: 2 * old.length }, (_, i) => old[i % old.length]!),
    );
    expect(moved(source, plan, grown)).toBeGreaterThan(1e-3);
  });
});

describe('a tied head that no gain can pay for', () => {
  const tied = { ...olmo, tie_word_embeddings: true };
  it('gets weights of its own, made from the embedding', () => {
    for (const [method, hidden] of [
      ['hypercloning', 24],
      ['expand', 18],
      ['clone-pad', 30],
    ] as const) {
      const source = tiny(tied);
      const plan = planGrowth(source, ask(method, { hidden }));
      const head = plan.tensors.find((t) => t.name === 'lm_head.weight')!;
      expect(plan.config['tie_word_embeddings']).toBe(false);
      expect(head.source).toBe('model.embed_tokens.weight');
      expect(plan.notes.join(' ')).toContain('weights of its own');
      expect(plan.parameters.after).toBe(
        plan.tensors.reduce((sum, t) => sum + t.to.reduce((a, b) => a * b, 1), 0),
      );
      expect(moved(source, plan)).toBeLessThan(exact);
      expect(
        moved(source, plan, grow(plan, source.weights), { ...plan.config, tie_word_embeddings: true }),
      ).toBeGreaterThan(0.01);
    }
  });
  it('stays tied where the stream does not grow', () => {
    for (const request of [
      ask('expand', { ffn: 25 }),
      ask('identity', { layers: 3 }),
      ask('hypercloning', { heads: 12 }),
    ]) {
      const plan = planGrowth(tiny(tied), request);
      expect(plan.config['tie_word_embeddings']).toBe(true);
      expect(plan.tensors.some((t) => t.name === 'lm_head.weight')).toBe(false);
    }
  });
});

describe('norms over the heads', () => {
  it('refuse new key heads and uneven copies, with what can be', () => {
    expect(() => planGrowth(tiny(olmo2), ask('expand', { hidden: 24, kv_heads: 4 }))).toThrow(
      'norms span queries and keys of all heads',
    );
    expect(() => planGrowth(tiny(olmo2), ask('net2net', { group: 4 }))).toThrow(
      'uneven copies would change their mean square',
    );
    expect(() => planGrowth(tiny(olmo2), ask('net2net', { group: 4 }))).toThrow(
      /nearest possible group is 6/,
    );
    expect(kept(olmo2, ask('net2net', { group: 6 }))).toBeLessThan(exact);
  });
  it('leave the heads as they are where only the stream was asked for', () =>
    expect(planGrowth(tiny(olmo2), ask('expand', { hidden: 18 })).to).toMatchObject({
      kv_heads: 2,
      group: 3,
    }));
});

describe('layers that slide', () => {
  const types = (config: JsonObject, layers: number): unknown =>
    planGrowth(tiny(config), ask('identity', { layers })).config['layer_types'];
  const [s, f] = ['sliding_attention', 'full_attention'];
  it('take their kind along, written out', () => {
    expect(types(gemma2, 6)).toEqual([s, s, f, f, s, s]);
    expect(types({ ...gemma3, sliding_window_pattern: 3 }, 4)).toEqual([s, s, f, f]);
    expect(types({ ...gemma2, layer_types: [f, s, s] }, 6)).toEqual([f, f, s, s, s, s]);
  });
  it('the rule alone would shift the windows', () => {
    const source = tiny(gemma2);
    const plan = planGrowth(source, ask('identity', { layers: 5 }));
    const rest = Object.fromEntries(Object.entries(plan.config).filter(([key]) => key !== 'layer_types'));
    expect(moved(source, plan)).toBe(0);
    expect(moved(source, plan, grow(plan, source.weights), rest as JsonObject)).toBeGreaterThan(1e-4);
  });
});

describe('config values that no forward pass here computes', () => {
  const unsupported: readonly (readonly [string, JsonObject, string])[] = [
    ['gemma', { ...gemma, use_bidirectional_attention: true }, 'use_bidirectional_attention'],
    ['gemma', { ...gemma, rope_scaling: { rope_type: 'yarn', factor: 4 } }, 'yarn'],
    ['gemma', { ...gemma, hidden_activation: 'relu' }, 'hidden_activation'],
    ['gemma2', { ...gemma2, use_bidirectional_attention: true }, 'use_bidirectional_attention'],
    [
      'gemma2',
      { ...gemma2, layer_types: ['full_attention', 'chunked_attention', 'full_attention'] },
      'chunked_attention',
    ],
    ['gemma2', { ...gemma2, layer_types: ['full_attention'] }, 'layer_types'],
    ['gemma2', { ...gemma2, rope_parameters: { rope_type: 'dynamic', factor: 4 } }, 'dynamic'],
    ['gemma3_text', { ...gemma3, use_bidirectional_attention: true }, 'use_bidirectional_attention'],
    ['gemma3_text', { ...gemma3, attn_logit_softcapping: 50 }, 'attn_logit_softcapping'],
    ['gemma3_text', { ...gemma3, rope_scaling: { rope_type: 'yarn', factor: 4 } }, 'yarn'],
    [
      'gemma3_text',
      {
        ...gemma3,
        rope_parameters: { sliding_attention: { rope_type: 'linear', rope_theta: 50, factor: 2 } },
      },
      'linear',
    ],
    ['gemma3_text', { ...gemma3, layer_types: ['full_attention'] }, 'layer_types'],
    ['olmo', { ...olmo, clip_qkv: 8 }, 'clip_qkv'],
    ['olmo', { ...olmo, rope_scaling: { type: 'dynamic', factor: 2 } }, 'dynamic'],
    ['olmo2', { ...olmo2, rope_scaling: { type: 'dynamic', factor: 2 } }, 'dynamic'],
    [
      'phi3',
      { ...phi3, rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [2] } },
      'longrope',
    ],
    ['phi3', { ...phi3, rope_scaling: { type: 'su', short_factor: [1], long_factor: [2] } }, 'su'],
    ['phi3', { ...phi3, rope_parameters: { rope_type: 'linear', factor: 2 } }, 'linear'],
  ];
  it.each(unsupported)('%s names it', (id, config, key) => {
    expect(familyOf(config).id).toBe(id);
    expect(() => familyOf(config).refuses(config)).toThrow(key);
  });
  it('none of the tiny configs', () => {
    for (const config of Object.values(scaled)) expect(() => familyOf(config).refuses(config)).not.toThrow();
  });
});
