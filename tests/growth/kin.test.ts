/**
 * @file Growth of the families with rotary shares, windows, head norms and norms on the stream: what is
 * promised holds in float64, what methods.md 11 says must fail fails, and what cannot be is refused.
 */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthRequest, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { withTurned } from '../../src-main/model/rope.ts';
import { kin, mistral, neox, opt, projected, qwen2, qwen3, qwen3Moe, stablelm } from './kin.ts';
import { ask, grow, moved, tiny, type Tiny } from './tiny.ts';

const exact = 1e-9;
type Wish = Readonly<Record<string, number>>;

/** Whole multiples of the axes a family has. */
function whole({ dims }: Tiny): readonly Wish[] {
  const d = dims as Record<string, number>;
  const widths = [
    { hidden: 2 * d['hidden']! },
    { hidden: 3 * d['hidden']!, ffn: d['ffn']! },
    { hidden: 4 * d['hidden']!, ffn: 2 * d['ffn']! },
    { ffn: 3 * d['ffn']! },
  ];
  return d['kv_heads'] === undefined
    ? widths
    : [
        ...widths,
        { hidden: 2 * d['hidden']!, group: 2 * d['group']!, kv_heads: d['kv_heads'] },
        { group: 3 * d['group']! },
        { kv_heads: 2 * d['kv_heads'] },
      ];
}
/** Sizes that no factor makes: inner units, whole heads, query heads inside groups, a wider stream. */
function odd({ dims }: Tiny): readonly Wish[] {
  const d = dims as Record<string, number>;
  const ffn = d['ffn']! + 7;
  const head = d['head_dim']!;
  if (d['kv_heads'] === undefined)
    return [
      { ffn },
      { hidden: d['hidden']! + head },
      { hidden: d['hidden']! + 2 * head, ffn },
      { hidden: d['hidden']! + 5 * head },
      { hidden: d['heads']! * (head + 2), heads: d['heads']! },
      { hidden: d['heads']! * (head * 3), heads: d['heads']!, ffn },
    ];
  const heads = (kv: number, group: number): Wish => ({
    hidden: kv * group * head,
    kv_heads: kv,
    group,
    ffn,
  });
  return [
    { ffn },
    { hidden: d['hidden']! + 6 },
    { hidden: d['hidden']! + 7, kv_heads: d['kv_heads'], group: d['group']! },
    { kv_heads: d['kv_heads'] + 1 },
    { group: d['group']! + 1 },
    heads(d['kv_heads'] + 1, d['group']!),
    heads(d['kv_heads'], d['group']! + 1),
    heads(d['kv_heads'] + 2, d['group']! + 2),
    { head_dim: 2 * head },
    { head_dim: 3 * head, ffn },
    { hidden: d['kv_heads'] * d['group']! * (head + 2), kv_heads: d['kv_heads'], group: d['group']!, ffn },
  ];
}
const wishes = {
  hypercloning: whole,
  expand: odd,
  identity: () => [{ layers: 4 }, { layers: 5 }, { layers: 7 }],
};

function planned(source: Tiny, request: GrowthRequest): ReturnType<typeof planGrowth> | undefined {
  try {
    return planGrowth(source, request);
  } catch (e) {
    expect(e).toBeInstanceOf(AppError);
    return undefined;
  }
}
const spoil = (
  config: JsonObject,
  request: GrowthRequest,
  change: (recipe: TensorRecipe) => TensorRecipe,
): number => {
  const source = tiny(config);
  const plan = planGrowth(source, request);
  return moved(source, plan, grow(plan, source.weights, change));
};
const without =
  (text: string) =>
  (r: TensorRecipe): TensorRecipe => ({ ...r, factors: r.factors.filter((f) => !f.why.includes(text)) });

describe.each(Object.entries(wishes))('%s', (method, of) => {
  describe.each(Object.entries(kin).filter(([, config]) => method !== 'identity' || config !== projected))(
    '%s',
    (_, config) => {
      const source = tiny(config);
      const plans = of(source).flatMap((to) => {
        const plan = planned(source, ask(method, to));
        return plan ? [[JSON.stringify(to), plan] as const] : [];
      });
      it('at least three shapes', () =>
        expect(plans.length).toBeGreaterThanOrEqual(config === projected && method === 'expand' ? 1 : 3));
      it.each(plans)('%s', (__, plan) => {
        expect(plan.promise.kind).toBe('exact');
        expect(moved(source, plan)).toBeLessThan(exact);
        if (method === 'identity') expect(moved(source, plan)).toBe(0);
      });
    },
  );
});

describe('every variant of hypercloning', () => {
  const variants = ['symmetric', 'diagonal'].flatMap((variant) =>
    [null, 10].map((noise) => ({ variant, noise })),
  );
  it.each(
    variants.flatMap((options) =>
      Object.entries(kin).map(([name, config]) => [JSON.stringify(options), name, options, config] as const),
    ),
  )('%s %s', (_, __, options, config) => {
    const source = tiny(config);
    const { hidden, ffn } = source.dims as Record<string, number>;
    for (const [n, m] of [
      [2, 2],
      [3, 1],
      [4, 2],
      [1, 3],
    ] as const)
      expect(
        moved(
          source,
          planGrowth(source, ask('hypercloning', { hidden: n * hidden!, ffn: m * ffn! }, options)),
        ),
      ).toBeLessThan(exact);
  });
  it('wider heads where nothing turns them', () => {
    for (const config of [opt, projected]) {
      const source = tiny(config);
      const plan = planGrowth(source, ask('hypercloning', { hidden: 24, heads: 3 }));
      expect(plan.to['head_dim']).toBe(8);
      expect(moved(source, plan)).toBeLessThan(exact);
      expect(moved(source, plan, grow(plan, source.weights, without('scores sum')))).toBeGreaterThan(1e-3);
    }
  });
});

describe('what must fail does (methods.md 11)', () => {
  const wider = (config: JsonObject): Wish =>
    config === stablelm
      ? { hidden: 32, group: 4 }
      : { hidden: (config['hidden_size'] as number) + (config === neox ? 8 : config === opt ? 4 : 6) };
  const padded: readonly (readonly [string, JsonObject])[] = Object.entries({
    mistral,
    qwen2,
    qwen3,
    neox,
    stablelm,
    opt,
  });
  it.each(padded)('%s padded without its gains undone', (_, config) =>
    expect(spoil(config, ask('expand', wider(config)), without('undoes the stretching'))).toBeGreaterThan(
      0.05,
    ),
  );
  it.each(padded.filter(([name]) => ['neox', 'stablelm', 'opt'].includes(name)))(
    '%s padded with zeros where layer norms want means',
    (_, config) => {
      const zeros = (r: TensorRecipe): TensorRecipe => ({
        ...r,
        fills: Object.fromEntries(
          Object.entries(r.fills).map(([axis, fill]) => [axis, fill === 'mean' ? 'zero' : fill]),
        ),
      });
      expect(spoil(config, ask('expand', wider(config)), zeros)).toBeGreaterThan(0.05);
    },
  );
  it.each(padded.filter(([, c]) => c['tie_word_embeddings'] !== false))(
    '%s tied, and nobody pays',
    (_, config) =>
      expect(
        spoil(
          config,
          ask('hypercloning', { hidden: 2 * (config['hidden_size'] as number) }),
          without('the head is the embedding'),
        ),
      ).toBeGreaterThan(0.05),
  );
  it('a projected OPT whose head is divided once more, as project_out already is', () => {
    const source = tiny(projected);
    const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }));
    const factors = (name: string): readonly number[] =>
      plan.tensors.find((t) => t.name === name)!.factors.map((f) => f.by);
    expect(factors('project_out.weight')).toEqual([1 / 2]);
    expect(factors('project_in.weight')).toEqual([]);
    expect(factors('embed_tokens.weight')).toEqual([]);
    expect(
      spoil(projected, ask('hypercloning', { hidden: 24 }), (r) =>
        r.name === 'project_out.weight' ? { ...r, factors: [...r.factors, { why: 'again', by: 1 / 2 }] } : r,
      ),
    ).toBeGreaterThan(0.05);
  });
  it.each(Object.entries({ qwen3: { ...qwen3, attention_bias: true }, neox, opt }))(
    'identity layers of %s whose biases still speak',
    (_, config) =>
      expect(
        spoil(config, ask('identity', { layers: 4 }), (r) =>
          r.kind === 'bias' ? { ...r, silent: false } : r,
        ),
      ).toBeGreaterThan(0.05),
  );
  it('a fused triple that is tiled flat, so that heads and parts change places', () => {
    const source = tiny(neox);
    const plan = planGrowth(source, ask('hypercloning', { hidden: 48 }, { noise: null }));
    const grown = new Map(grow(plan, source.weights));
    const rows = 72;
    const width = 48;
    const heads = grown.get('layers.0.attention.query_key_value.weight')!;
    const flat = Float64Array.from(heads, (_, i) => {
      const row = Math.floor(i / width);
      const [part, at] = [Math.floor(row / width), row % width];
      return heads[(Math.floor(at / 8) * 24 + part * 8 + (at % 8)) * width + (i % width)]!;
    });
    expect(heads.length).toBe(2 * rows * width);
    expect(moved(source, plan, grown)).toBeLessThan(exact);
    grown.set('layers.0.attention.query_key_value.weight', flat);
    expect(moved(source, plan, grown)).toBeGreaterThan(0.01);
  });
  it('a norm of heads that is scaled like a norm of the stream', () =>
    expect(
      spoil(qwen3, ask('expand', { hidden: 18 }), (r) =>
        r.name.includes('q_norm') ? { ...r, factors: [{ why: 'as others', by: Math.sqrt(12 / 18) }] } : r,
      ),
    ).toBeGreaterThan(1e-3));
});

describe('norms on the stream', () => {
  const source = tiny(projected);
  it('padding is refused, and whole copies are offered where the method makes them', () => {
    const found = (request: GrowthRequest): AppError => {
      try {
        planGrowth(source, request);
      } catch (e) {
        return e as AppError;
      }
      throw new Error('nothing was refused');
    };
    expect(found(ask('expand', { hidden: 16 })).code).toBe('growth/post-norm');
    expect(found(ask('expand', { hidden: 24 })).message).toContain('hypercloning');
    expect(
      (found(ask('hypercloning', { hidden: 16 })).detail as { nearest: readonly number[] }).nearest,
    ).toEqual([24]);
    expect(planGrowth(source, ask('hypercloning', { hidden: 24 })).promise.kind).toBe('exact');
  });
  it.each([{ layers: 3 }, { layers: 4 }, { layers: 7 }])(
    'silent layers %o move logits by about eps, as the plan says',
    (to) => {
      const plan = planGrowth(source, ask('identity', to));
      expect(plan.promise.kind).toBe('approximate');
      expect(moved(source, plan)).toBeLessThan(2e-4);
      expect(moved(source, plan)).toBeGreaterThan(0);
    },
  );
  it('silence alone moves them far', () =>
    expect(
      spoil(projected, ask('identity', { layers: 4 }), (r) => ({
        ...r,
        factors: r.factors.filter((f) => !f.why.includes('hands its values on')),
        ...(r.kind === 'gain' ? { offset: 0 } : {}),
      })),
    ).toBeGreaterThan(0.05));
});

describe('OPT', () => {
  it('word_embed_proj_dim follows hidden, except where it is a size of its own', () => {
    expect(planGrowth(tiny(opt), ask('hypercloning', { hidden: 24 })).config).toMatchObject({
      hidden_size: 24,
      word_embed_proj_dim: 24,
      num_attention_heads: 6,
    });
    expect(planGrowth(tiny(projected), ask('hypercloning', { hidden: 24 })).config).toMatchObject({
      hidden_size: 24,
      word_embed_proj_dim: 8,
      do_layer_norm_before: false,
    });
  });
  it('the two unused rows of positions stay the first two', () => {
    const source = tiny(opt);
    const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }));
    const table = plan.tensors.find((t) => t.name === 'embed_positions.weight')!;
    const old = source.weights.get(table.name)!;
    expect([table.from, table.to]).toEqual([
      [14, 12],
      [14, 24],
    ]);
    const grown = grow(plan, source.weights).get(table.name)!;
    for (let row = 0; row < 14; row++)
      expect([...grown.subarray(row * 24, row * 24 + 12)]).toEqual([
        ...old.subarray(row * 12, (row + 1) * 12),
      ]);
  });
});

describe('what each layer sees', () => {
  const sliding: JsonObject = {
    ...qwen2,
    num_hidden_layers: 3,
    use_sliding_window: true,
    sliding_window: 3,
    max_window_layers: 2,
  };
  it('is written out and extended, and the rule goes with it', () => {
    const { config, layers } = planGrowth(tiny(sliding), ask('identity', { layers: 5 }));
    expect(layers.map((l) => l.source)).toEqual([0, 1, 1, 2, 2]);
    expect(config).toMatchObject({
      num_hidden_layers: 5,
      layer_types: [
        'full_attention',
        'full_attention',
        'full_attention',
        'sliding_attention',
        'sliding_attention',
      ],
      max_window_layers: 3,
    });
  });
  it('matters: by the rule alone the logits would move', () => {
    const source = tiny(sliding);
    const plan = planGrowth(source, ask('identity', { layers: 7 }));
    const rest = Object.fromEntries(Object.entries(plan.config).filter(([key]) => key !== 'layer_types'));
    expect(moved(source, plan)).toBe(0);
    expect(
      moved(source, plan, grow(plan, source.weights), { ...rest, max_window_layers: 2 }),
    ).toBeGreaterThan(1e-3);
  });
  it('lists that say nothing new are extended too; what is not there is not made', () => {
    const full = { ...qwen3, layer_types: ['full_attention', 'full_attention'] };
    expect(planGrowth(tiny(full), ask('identity', { layers: 3 })).config['layer_types']).toEqual([
      'full_attention',
      'full_attention',
      'full_attention',
    ]);
    expect(planGrowth(tiny(qwen3), ask('identity', { layers: 3 })).config).not.toHaveProperty('layer_types');
    expect(planGrowth(tiny(sliding), ask('hypercloning', { hidden: 24 })).config).not.toHaveProperty(
      'layer_types',
    );
  });
});

describe('wider heads of which a share is turned', () => {
  const wide = (config: JsonObject): Wish =>
    config === neox ? { hidden: 36, heads: 3 } : { hidden: 48, kv_heads: 2, group: 3 };
  const said = (config: JsonObject): unknown => config['rotary_pct'] ?? config['partial_rotary_factor'];
  it.each(Object.entries({ neox, stablelm }))('%s: as many entries are turned as before', (_, config) => {
    const source = tiny(config);
    const plan = planGrowth(source, ask('expand', wide(config)));
    const [from, to] = [plan.from['head_dim']!, plan.to['head_dim']!];
    expect([from, to]).toEqual(config === neox ? [8, 12] : [4, 8]);
    expect(Math.trunc(to * Number(said(plan.config)))).toBe(Math.trunc(from * 0.5));
    expect(moved(source, plan)).toBeLessThan(exact);
    expect(
      moved(source, plan, grow(plan, source.weights), {
        ...plan.config,
        [config === neox ? 'rotary_pct' : 'partial_rotary_factor']: 0.5,
      }),
    ).toBeGreaterThan(1e-3);
    expect(moved(source, plan, grow(plan, source.weights, without('scores sum')))).toBeGreaterThan(1e-3);
    expect(plan.dead).toEqual([]);
    expect(plan.promise.why.join(' ')).toContain('turn as many entries as before');
  });
  it('the share is written where it was said, and never rounds down to one entry less', () => {
    const nested: JsonObject = {
      ...Object.fromEntries(Object.entries(neox).filter(([key]) => key !== 'rotary_pct')),
      rope_parameters: { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 0.5 },
    };
    const { config } = planGrowth(tiny(nested), ask('expand', wide(neox)));
    expect(config).not.toHaveProperty('rotary_pct');
    expect(config['rope_parameters']).toEqual({
      rope_type: 'default',
      rope_theta: 10_000,
      partial_rotary_factor: 4 / 12,
    });
    for (let from = 2; from <= 128; from += 2)
      for (let to = from + 1; to <= 300; to++)
        expect(Math.trunc(to * Number(withTurned({}, 'rotary_pct', 1, from, to)['rotary_pct']))).toBe(from);
  });
});

describe('wider heads whose queries and keys are normed', () => {
  it.each(Object.entries({ qwen3, qwen3Moe }))(
    '%s: exact, and new entries of queries and keys are declared dead',
    (_, config) => {
      const source = tiny(config);
      const plan = planGrowth(source, ask('expand', { head_dim: 8 }));
      expect(moved(source, plan)).toBeLessThan(exact);
      expect(plan.dead.map(({ axis }) => axis)).toEqual(['head_dim']);
      for (const part of ['q', 'k'])
        expect(
          plan.tensors.find((t) => t.name.endsWith(`0.self_attn.${part}_proj.weight`))!.fills['head_dim'],
        ).toBe('zero');
      expect(plan.tensors.find((t) => t.name.endsWith('0.self_attn.v_proj.weight'))!.fills['head_dim']).toBe(
        'draw',
      );
      for (const spoiled of ['scores sum', 'shared by more entries', 'that the norm after it sees'])
        expect(moved(source, plan, grow(plan, source.weights, without(spoiled))), spoiled).toBeGreaterThan(
          1e-3,
        );
      expect(
        moved(
          source,
          plan,
          grow(plan, source.weights, (r) =>
            r.name.includes('q_proj') ? { ...r, fills: { ...r.fills, head_dim: 'draw' } } : r,
          ),
        ),
      ).toBeGreaterThan(1e-4);
    },
  );
});

describe('refusals', () => {
  it.each(Object.entries({ mistral, qwen2, qwen3, neox, stablelm }))(
    '%s: heads that are turned do not widen by copies',
    (_, config) => {
      expect(() => planGrowth(tiny(config), ask('hypercloning', { head_dim: 16 }))).toThrow('rotary');
    },
  );
  it.each(Object.entries({ mistral, qwen2, qwen3 }))(
    '%s: heads that are turned whole widen by whole factors',
    (_, config) => {
      expect(() => planGrowth(tiny(config), ask('expand', { head_dim: 10 }))).toThrow(
        'nearest possible head_dim is 8 or 12',
      );
    },
  );
  it.each(Object.entries({ neox, stablelm, opt }))('%s: heads that hidden does not hold', (_, config) => {
    expect(() =>
      planGrowth(tiny(config), ask('expand', { hidden: (config['hidden_size'] as number) + 1 })),
    ).toThrow(/nearest possible hidden/);
  });

  const unsupported: readonly (readonly [string, JsonObject, string])[] = [
    ['mistral', { ...mistral, layer_types: ['full_attention', 'sliding_attention'] }, 'layer_types'],
    ['mistral', { ...mistral, rope_scaling: { rope_type: 'yarn', factor: 4 } }, 'yarn'],
    ['qwen2', { ...qwen2, rope_parameters: { rope_type: 'dynamic', factor: 4 } }, 'dynamic'],
    ['qwen2', { ...qwen2, layer_types: ['full_attention', 'chunked_attention'] }, 'chunked_attention'],
    ['qwen2', { ...qwen2, layer_types: ['full_attention'] }, 'layer_types'],
    ['qwen3', { ...qwen3, layer_types: ['full_attention', 'sliding_attention'] }, 'use_sliding_window'],
    ['gpt_neox', { ...neox, rope_scaling: { type: 'dynamic', factor: 2 } }, 'dynamic'],
    ['stablelm', { ...stablelm, qk_layernorm: true }, 'qk_layernorm'],
    ['opt', { ...opt, word_embed_proj_dim: 8 }, 'word_embed_proj_dim'],
    ['opt', { ...opt, _remove_final_layer_norm: true }, '_remove_final_layer_norm'],
    ['opt', { ...opt, layer_norm_elementwise_affine: false }, 'layer_norm_elementwise_affine'],
    ['opt-projected', { ...opt, do_layer_norm_before: false }, 'do_layer_norm_before'],
    ['opt-projected', { ...projected, _remove_final_layer_norm: true }, '_remove_final_layer_norm'],
    [
      'opt-projected',
      { ...projected, layer_norm_elementwise_affine: false },
      'layer_norm_elementwise_affine',
    ],
  ];
  it.each(unsupported)('%s names what it does not compute', (id, config, key) => {
    const family = familyOf(config);
    expect(family.id).toBe(id);
    expect(() => family.refuses(config)).toThrow(key);
  });
  it('none of the tiny configs', () => {
    for (const config of Object.values(kin)) expect(() => familyOf(config).refuses(config)).not.toThrow();
  });
});
