/**
 * @file Where a plan says exact, the logits of the float64 reference stay; what methods.md 11 says must fail,
 * fails.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { pad } from '../../src-main/tensor/axis-map.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthRequest, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { refusal } from '../support/refusal.ts';
import { ask, gpt2, grow, llama, moved, movedBy, shapes, tiny, type Tiny } from './tiny.ts';

const exact = 1e-9;
const whole = (source: Tiny): readonly Record<string, number>[] => {
  const { hidden, ffn, kv_heads: kv, group } = source.dims as Record<string, number>;
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
const any = (source: Tiny): readonly Record<string, number>[] => {
  const d = source.dims as Record<string, number>;
  const { ffn } = d;
  const heads =
    d['kv_heads'] === undefined
      ? []
      : [
          { hidden: (d['hidden']! * (d['kv_heads'] + 1)) / d['kv_heads'], kv_heads: d['kv_heads'] + 1 },
          { hidden: (d['hidden']! * (d['group']! + 1)) / d['group']!, group: d['group']! + 1 },
        ];
  return [...anyOf(source), ...heads, { ffn: 2 * ffn! }, { ffn: 3 * ffn! + 1 }];
};
const anyOf = (source: Tiny): readonly Record<string, number>[] => {
  const { hidden, ffn, heads, kv_heads: kv, group, head_dim: head } = source.dims as Record<string, number>;
  if (kv === undefined)
    return [
      { ffn: ffn! + 7 },
      { hidden: hidden! + head! },
      { hidden: hidden! + 2 * head!, ffn: ffn! + 1 },
      { hidden: head! * (heads! + 3), heads: heads! + 3 },
    ];
  const query = kv * group!;
  return [
    { ffn: ffn! + 7 },
    { hidden: hidden! + query },
    { hidden: hidden! + query, kv_heads: kv, group: group! },
    { hidden: (kv + 1) * group! * 4, kv_heads: kv + 1 },
    { hidden: kv * (group! + 1) * 5, group: group! + 1, ffn: ffn! + 3 },
  ];
};
const inner = (source: Tiny): readonly Record<string, number>[] => {
  const { ffn, kv_heads: kv, group } = source.dims as Record<string, number>;
  return [
    { ffn: ffn! + 7 },
    { ffn: 2 * ffn! },
    { ffn: 2 * ffn! + 5 },
    ...(kv === undefined
      ? []
      : [
          { kv_heads: 2 * kv },
          { kv_heads: kv + 1 },
          { kv_heads: 2 * kv + 1, group: 2 * group! + 1 },
          { group: group! + 1, ffn: ffn! + 1 },
        ]),
  ];
};
const deeper = (): readonly Record<string, number>[] => [
  { layers: 3 },
  { layers: 4 },
  { layers: 6 },
  { layers: 7 },
  { layers: 8 },
  { layers: 9 },
  { layers: 12 },
];
const wider = (source: Tiny): readonly Record<string, number>[] => [...any(source), ...whole(source)];
const headed = (source: Tiny): readonly Record<string, number>[] => {
  const { hidden, heads, kv_heads: kv, head_dim: head } = source.dims as Record<string, number>;
  return kv === undefined
    ? [
        { hidden: hidden! + heads!, heads: heads! },
        { hidden: 3 * hidden!, heads: heads! },
      ]
    : [
        { head_dim: 2 * head! },
        { head_dim: 3 * head!, hidden: 2 * hidden! },
        { head_dim: head! + 2 },
        { hidden: 2 * hidden!, kv_heads: kv, group: source.dims['group']! },
      ];
};
const wishes: Readonly<Record<string, (source: Tiny) => readonly Record<string, number>[]>> = {
  hypercloning: whole,
  'clone-pad': wider,
  expand: (source) => [...any(source), ...headed(source)],
  net2net: inner,
  aki: inner,
  'copy-pad': (source) => [...any(source), ...headed(source)],
  'shrink-perturb': any,
  identity: deeper,
  stack: deeper,
  interleave: deeper,
  solar: () => [{ layers: 4 }, { layers: 2 }, { layers: 3 }],
  vocab: (source) => [1, 9, 41].map((more) => ({ vocab: source.dims['vocab']! + more })),
  upcycle: () => [{}],
};

/** The defaults, and each choice of each option. */
const variantsOf = (method: string): readonly GrowthRequest['options'][] => [
  {},
  ...methods
    .get(method)!
    .options.flatMap((o): readonly GrowthRequest['options'][] =>
      o.kind === 'choice'
        ? o.choices.map(({ value }) => ({ [o.id]: value }))
        : o.id === 'n'
          ? [{ n: 3 }]
          : [],
    ),
];

describe.each([...methods.keys()])('%s keeps the logits of', (method) => {
  describe.each(Object.entries(shapes))('%s', (_, config) => {
    const source = tiny(config);
    const family = familyOf(config);
    const sensible = (options: GrowthRequest['options']): readonly Record<string, number>[] =>
      wishes[method]!(source).filter((to) => {
        try {
          return planGrowth(source, ask(method, to, options));
        } catch {
          return false;
        }
      });
    it('shapes enough, or a refusal where no family has experts of its kind', async () => {
      if (method === 'upcycle' && sensible({}).length === 0)
        await refusal('growth/no-mixture', () => planGrowth(source, ask(method, {})));
      else expect(sensible({}).length).toBeGreaterThanOrEqual(['solar', 'upcycle'].includes(method) ? 1 : 3);
    });
    it.each(
      variantsOf(method).flatMap((options) =>
        sensible(options)
          .slice(0, Object.keys(options).length ? 4 : undefined)
          .map((to) => [JSON.stringify(to), JSON.stringify(options), to, options] as const),
      ),
    )('%s %s', (__, ___, to, options) => {
      const plan = planGrowth(source, ask(method, to, options));
      const gap = moved(source, plan);
      if (plan.promise.kind === 'exact') expect(gap).toBeLessThan(exact);
      else {
        if (!('head_dim' in to) || family.scores.scale(plan.to) !== family.scores.scale(plan.from))
          expect(gap).toBeGreaterThan(0);
        expect(Number.isFinite(gap)).toBe(true);
      }
    });
  });
});

describe('promises', () => {
  const kinds = (method: string, options: GrowthRequest['options'] = {}): readonly string[] => [
    ...new Set(
      Object.values(shapes).flatMap((config) => {
        try {
          return [
            planGrowth(tiny(config), ask(method, wishes[method]!(tiny(config))[0]!, options)).promise.kind,
          ];
        } catch {
          return [];
        }
      }),
    ),
  ];
  it.each(['hypercloning', 'clone-pad', 'expand', 'net2net', 'vocab'])('%s is exact', (method) =>
    expect(kinds(method)).toEqual(['exact']),
  );
  it.each(['aki', 'copy-pad', 'shrink-perturb', 'interleave'])('%s is approximate', (method) =>
    expect(kinds(method)).toEqual(['approximate']),
  );
  it('copy-pad with exact on is', () => expect(kinds('copy-pad', { exact: 'on' })).toEqual(['exact']));
  it('stacking is not', () =>
    expect(planGrowth(tiny(llama), ask('stack', { layers: 4 })).promise.kind).toBe('approximate'));
});

describe('every variant of hypercloning', () => {
  const variants = ['symmetric', 'diagonal'].flatMap((variant) =>
    [null, 10, 0].map((noise) => ({ variant, noise })),
  );
  it.each(
    variants.flatMap((options) =>
      Object.entries(shapes).map(
        ([name, config]) => [JSON.stringify(options), name, options, config] as const,
      ),
    ),
  )('%s %s', (_, __, options, config) => {
    const source = tiny(config);
    for (const times of [2, 3]) {
      const plan = planGrowth(
        source,
        ask(
          'hypercloning',
          { hidden: times * source.dims['hidden']!, ffn: 2 * source.dims['ffn']! },
          options,
        ),
      );
      expect(moved(source, plan)).toBeLessThan(exact);
    }
  });

  it('also through wider heads where heads are not rotary', () => {
    for (const hidden of [24, 36]) {
      const plan = planGrowth(tiny(gpt2), ask('hypercloning', { hidden, heads: 3 }));
      expect(plan.to['head_dim']).toBe(hidden / 3);
      expect(moved(tiny(gpt2), plan)).toBeLessThan(exact);
    }
  });
});

describe('random sizes', () => {
  const config = fc
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
  it('expand, wherever it plans', () => {
    let planned = 0;
    fc.assert(
      fc.property(
        config,
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 0, max: 2 }),
        (c, hidden, ffn, kv, group) => {
          const source = tiny(c);
          const d = source.dims as Record<string, number>;
          const request = ask('expand', {
            hidden: d['hidden']! + hidden,
            ffn: d['ffn']! + ffn,
            kv_heads: d['kv_heads']! + kv,
            group: d['group']! + group,
          });
          let plan;
          try {
            plan = planGrowth(source, request);
          } catch (e) {
            expect(e).toBeInstanceOf(AppError);
            return;
          }
          planned++;
          expect(moved(source, plan)).toBeLessThan(exact);
        },
      ),
      { numRuns: 150 },
    );
    expect(planned).toBeGreaterThan(15);
  });
  it.each(['clone-pad', 'net2net'])('%s, wherever it plans', (method) => {
    let planned = 0;
    fc.assert(
      fc.property(
        config,
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom('noise', 'projection'),
        fc.nat(),
        (c, hidden, ffn, kv, group, how, seed) => {
          const source = tiny(c);
          const d = source.dims as Record<string, number>;
          const heads = { kv_heads: d['kv_heads']! + kv, group: d['group']! + group };
          const wide =
            method === 'net2net'
              ? {}
              : {
                  hidden:
                    Math.ceil((d['hidden']! + hidden) / (heads.kv_heads * heads.group)) *
                    heads.kv_heads *
                    heads.group,
                };
          let plan;
          try {
            plan = planGrowth(
              source,
              ask(
                method,
                {
                  ffn: d['ffn']! + ffn,
                  ...(method === 'net2net' && d['hidden']! % (heads.kv_heads * heads.group) ? {} : heads),
                  ...wide,
                },
                { break: how },
                seed,
              ),
            );
          } catch (e) {
            expect(e).toBeInstanceOf(AppError);
            return;
          }
          planned++;
          expect(moved(source, plan)).toBeLessThan(exact);
        },
      ),
      { numRuns: 80 },
    );
    expect(planned).toBeGreaterThan(40);
  });
  it('hypercloning, any factors', () => {
    const times = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        config,
        times,
        times,
        times,
        times,
        fc.constantFrom('symmetric', 'diagonal'),
        (c, n, m, k, g, variant) => {
          const source = tiny(c);
          const d = source.dims as Record<string, number>;
          const to = {
            hidden: d['hidden']! * n * k * g,
            ffn: d['ffn']! * m,
            kv_heads: d['kv_heads']! * k,
            group: d['group']! * g,
          };
          if (n * m * k * g === 1 || to.hidden > 120) return;
          expect(moved(source, planGrowth(source, ask('hypercloning', to, { variant })))).toBeLessThan(exact);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('what must fail does (methods.md 11)', () => {
  const spoil = (
    config: JsonObject,
    to: Record<string, number>,
    change: (recipe: TensorRecipe) => TensorRecipe,
    method = 'expand',
    options = {},
  ): number => {
    const source = tiny(config);
    const plan = planGrowth(source, ask(method, to, options));
    return moved(source, plan, grow(plan, source.weights, change));
  };
  const without =
    (text: string) =>
    (r: TensorRecipe): TensorRecipe => ({ ...r, factors: r.factors.filter((f) => !f.why.includes(text)) });

  it('padding without the gains undone', () => {
    expect(spoil(llama, { hidden: 18 }, without('undoes the stretching'))).toBeGreaterThan(0.05);
    expect(spoil(gpt2, { hidden: 20 }, without('undoes the stretching'))).toBeGreaterThan(0.05);
  });
  it('padding that leaves the writers as they are (gains alone, eps not changed)', () => {
    const gains = (r: TensorRecipe): TensorRecipe => ({
      ...r,
      factors: r.factors.filter((f) => !f.why.includes('stretches') && !f.why.includes('the head is')),
    });
    const gap = spoil({ ...llama, tie_word_embeddings: false }, { hidden: 18 }, (r) =>
      r.kind === 'gain' ? r : gains(r),
    );
    expect(gap).toBeGreaterThan(1e-4);
  });
  it('padding a layer norm with zeros instead of means', () => {
    expect(
      spoil(gpt2, { hidden: 20 }, (r) => ({
        ...r,
        fills: Object.fromEntries(
          Object.entries(r.fills).map(([axis, fill]) => [axis, fill === 'mean' ? 'zero' : fill]),
        ),
      })),
    ).toBeGreaterThan(0.05);
  });
  it('a tied head that nobody pays for', () => {
    expect(
      spoil(llama, { hidden: 24 }, without('the head is the embedding'), 'hypercloning'),
    ).toBeGreaterThan(0.05);
    expect(spoil(gpt2, { hidden: 24 }, without('the head is the embedding'), 'hypercloning')).toBeGreaterThan(
      0.05,
    );
  });
  it('readers that do not divide', () =>
    expect(spoil(llama, { hidden: 24 }, without('equal copies of hidden'), 'hypercloning')).toBeGreaterThan(
      0.05,
    ));
  it('wider heads without the factor on queries and keys', () =>
    expect(spoil(gpt2, { hidden: 24, heads: 3 }, without('scores sum'), 'hypercloning')).toBeGreaterThan(
      1e-3,
    ));
  it('identity layers whose biases still speak', () => {
    const config = { ...llama, attention_bias: true, mlp_bias: true };
    expect(
      spoil(config, { layers: 4 }, (r) => (r.kind === 'bias' ? { ...r, silent: false } : r), 'identity'),
    ).toBeGreaterThan(0.05);
    expect(spoil(gpt2, { layers: 4 }, (r) => ({ ...r, silent: false }), 'identity')).toBeGreaterThan(0.05);
  });
  it('random new rows of a writer', () => {
    expect(
      spoil(llama, { hidden: 18 }, (r) => ({
        ...r,
        deviation: 0.5,
        fills: Object.fromEntries(Object.keys(r.fills).map((axis) => [axis, 'draw'])),
      })),
    ).toBeGreaterThan(0.05);
  });
  it('query heads cloned copy-major while key and value heads stay', () => {
    const source = tiny(llama);
    const plan = planGrowth(source, ask('hypercloning', { group: 6 }, { noise: null }));
    const head = 4;
    const [kv, r, n] = [2, 3, 2];
    const grown = new Map(grow(plan, source.weights));
    const order = Array.from({ length: kv * r * n }, (_, p) => {
      const c = Math.floor(p / (kv * r));
      const h = p % (kv * r);
      return Math.floor(h / r) * r * n + c * r + (h % r);
    }); // where copy-major head p stands in our order
    for (const [name, values] of grown) {
      if (name.includes('q_proj'))
        grown.set(
          name,
          Float64Array.from(
            values,
            (_, i) => values[order[Math.floor(i / (head * 12))]! * head * 12 + (i % (head * 12))]!,
          ),
        );
      if (name.includes('o_proj'))
        grown.set(
          name,
          Float64Array.from(values, (_, i) => {
            const row = Math.floor(i / 48);
            const c = i % 48;
            return values[row * 48 + order[Math.floor(c / head)]! * head + (c % head)]!;
          }),
        );
    }
    expect(moved(source, plan)).toBeLessThan(exact);
    expect(moved(source, plan, grown)).toBeGreaterThan(0.01);
  });
  it('query heads appended without moving old ones to their key and value head', () => {
    const source = tiny(llama);
    const plan = planGrowth(source, ask('expand', { group: 6 }));
    expect(moved(source, plan)).toBeLessThan(exact);
    const grown = new Map(grow(plan, source.weights));
    const q = source.weights;
    for (const [name, values] of grown) {
      if (name.includes('q_proj')) {
        const out = values.slice();
        out.set(q.get(name)!.subarray(0, 24 * 12));
        grown.set(name, out);
      }
      if (name.includes('o_proj'))
        grown.set(
          name,
          Float64Array.from(values, (_, i) => {
            const c = i % 48;
            return c < 24 ? q.get(name)![Math.floor(i / 48) * 24 + c]! : 0;
          }),
        );
    }
    expect(moved(source, plan, grown)).toBeGreaterThan(0.01);
  });
  it('rotary heads whose new entries are appended instead of scattered', () => {
    const source = tiny(llama);
    const plan = planGrowth(source, ask('expand', { head_dim: 8 }));
    const appended = { ...plan, maps: { head_dim: pad(4, 8) } };
    expect(moved(source, plan)).toBeLessThan(exact);
    expect(moved(source, appended, grow(appended, source.weights))).toBeGreaterThan(0.01);
  });
  it('wider heads whose new keys are not zero, or whose old ones are not rescaled', () => {
    const drawn = (r: TensorRecipe): TensorRecipe => ({
      ...r,
      deviation: 0.5,
      fills: Object.fromEntries(
        Object.keys(r.fills).map((axis) => [axis, r.name.includes('o_proj') ? 'zero' : 'draw']),
      ),
    });
    expect(spoil(llama, { head_dim: 8 }, drawn)).toBeGreaterThan(0.01);
    expect(spoil(llama, { head_dim: 8 }, without('scores sum'))).toBeGreaterThan(0.01);
    const unpart = (r: TensorRecipe): TensorRecipe => ({ ...r, deviation: 0.5, partFills: [] });
    expect(spoil(gpt2, { hidden: 18, heads: 3 }, unpart)).toBeGreaterThan(0.01);
  });
  it('scaled gains whose eps stays', () => {
    for (const [config, to] of [
      [llama, { hidden: 18 }],
      [gpt2, { hidden: 20 }],
    ] as const) {
      const source = tiny(config);
      const plan = planGrowth(source, ask('expand', to, { eps: 'scale' }));
      expect(moved(source, plan)).toBeLessThan(exact);
      const key = Object.keys(config).find((k) => /eps/.test(k))!;
      expect(
        moved(source, plan, grow(plan, source.weights), { ...plan.config, [key]: config[key]! }),
      ).toBeGreaterThan(1e-5);
    }
  });
  it('replicas that share nothing, and those of the wrong head', () => {
    expect(spoil(llama, { ffn: 27 }, without('divided by how many'), 'net2net')).toBeGreaterThan(0.01);
    const source = tiny(llama);
    const plan = planGrowth(source, ask('net2net', { kv_heads: 3, group: 4 }));
    const other = planGrowth(source, ask('net2net', { kv_heads: 3, group: 4 }, {}, 8));
    const mixed = new Map(
      [...grow(plan, source.weights)].map(([name, values]) => [
        name,
        name.includes('o_proj') ? grow(other, source.weights).get(name)! : values,
      ]),
    );
    expect(moved(source, plan, mixed)).toBeGreaterThan(0.01);
  });
  it('projection that does not cancel', () => {
    const source = tiny(llama);
    const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }, { break: 'projection' }));
    const grown = new Map(grow(plan, source.weights));
    for (const [name, values] of grown)
      if (name.includes('up_proj'))
        grown.set(
          name,
          values.map((v, i) => (i % 24 < 12 ? v + 0.02 : v)),
        );
    expect(moved(source, plan)).toBeLessThan(exact);
    expect(moved(source, plan, grown)).toBeGreaterThan(1e-3);
  });
  it('the measure itself sees a change', () =>
    expect(movedBy(llama, ask('identity', { layers: 3 }))).toBe(0));
});
