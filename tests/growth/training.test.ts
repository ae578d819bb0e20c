/**
 * @file Grown models in training, by the step program of src-main/train in float64: plain clones follow their
 * source, default ones part, new units move (methods.md 1.9 to 1.11).
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { integerAt, deriveKey } from '../../src-main/base/random.ts';
import { growMoments } from '../../src-main/growth/apply/moments.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan } from '../../src-main/growth/recipe.ts';
import { resolveSides } from '../../src-main/growth/apply/sides.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { settingsOf } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import type { Factors } from '../../src-main/train/optimizers/index.ts';
import { bucketsOf, stateNames, type Bucket } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import type { Weights } from '../support/reference.ts';
import { makeRequest, growWeights, makeTinyModel, type TinyModel } from './tiny-model.ts';
import { gpt2, llama, familyVariants } from './variants/index.ts';

const batch = 2;
const sequence = 4;
const adam = { beta1: 0.9, beta2: 0.95, eps: 1e-15, weightDecay: 0.1, momentum: 0 };
const small = { vocab_size: 7 };
const sources: Readonly<Record<string, JsonObject>> = {
  'learned positions, fused, tied': { ...gpt2, ...small, n_embd: 4, n_head: 2, n_inner: 6, n_layer: 1 },
  'rotary, grouped, tied': {
    ...llama,
    ...small,
    hidden_size: 4,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 2,
    intermediate_size: 6,
    num_hidden_layers: 1,
  },
  'rotary, untied, biases': {
    ...llama,
    ...small,
    hidden_size: 4,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 2,
    intermediate_size: 6,
    num_hidden_layers: 1,
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
  },
};

type Moved = ReadonlyMap<string, Float64Array>;
/** All weights and moments by name. */
interface State {
  readonly weights: Moved;
  readonly mean: Moved;
  readonly square: Moved;
}
const zeros = (weights: Weights): Moved =>
  new Map([...weights].map(([name, values]) => [name, new Float64Array(values.length)]));
const fresh = (weights: Weights): State => ({ weights, mean: zeros(weights), square: zeros(weights) });

/**
 * Steps `from`..`to` (counted from 1) on batches that depend on the step alone: losses, and the state after.
 */
function train(
  model: { readonly family: string; readonly dims: Dims; readonly config: JsonObject },
  start: State,
  factors: ReadonlyMap<string, Factors>,
  to: number,
  from = 1,
  lr = 0.01,
): { losses: readonly number[]; state: State } {
  const family = familyById(model.family);
  const settings = settingsOf(family, model.config);
  const parameters = parametersOf(family, model.dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 1e9, factors });
  const graph = stepProgram({ family, dims: model.dims, settings, buckets }, { microBatch: batch, contextLength: sequence }, adam);
  const outputs = Object.entries(graph.outputs);
  const parts = ['weights', 'expAvg', 'expAvgSq'] as const;
  const packed = (bucket: Bucket, values: Moved): Tensor => {
    const flat = new Float64Array(bucket.length);
    for (const slot of bucket.slots) flat.set(values.get(slot.name)!, slot.offset);
    return { shape: [bucket.length], data: flat };
  };
  let state: Record<string, Tensor> = Object.fromEntries(
    buckets.flatMap((b) => parts.map((part) => [`${part}/${b.index}`, packed(b, start[part])])),
  );
  const losses: number[] = [];
  for (let t = from; t <= to; t++) {
    const tokens = Float64Array.from({ length: batch * (sequence + 1) }, (_, i) =>
      integerAt(deriveKey(t, 'batch'), i, model.dims['vocab']!),
    );
    const found = evaluate(
      outputs.map(([, v]) => v),
      {
        ...state,
        tokens: tensor([batch, sequence + 1], tokens),
        ...Object.fromEntries(
          Object.entries(hostScalars({ ...adam, gradClip: 0 }, t, lr)).map(([name, x]) => [
            name,
            tensor([], [x]),
          ]),
        ),
      },
    );
    const named = new Map(outputs.map(([name], i) => [name, found[i]!]));
    losses.push(named.get('loss')!.data[0]!);
    state = Object.fromEntries(stateNames(buckets).map((name) => [name, named.get(`next/${name}`)!]));
  }
  const unpacked = (part: string): Moved =>
    new Map(
      buckets.flatMap((b) =>
        b.slots.map(
          (s) => [s.name, state[`${part}/${b.index}`]!.data.slice(s.offset, s.offset + s.count)] as const,
        ),
      ),
    );
  return {
    losses,
    state: { weights: unpacked('weights'), expAvg: unpacked('expAvg'), expAvgSq: unpacked('expAvgSq') },
  };
}

const grown = (plan: GrowthPlan): { family: string; dims: Dims; config: JsonObject } => ({
  family: plan.family,
  dims: plan.to,
  config: plan.config,
});
const ratesOf = (plan: GrowthPlan): ReadonlyMap<string, Factors> =>
  new Map(plan.tensors.map((t) => [t.name, t]));
const furthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
const doubled = (source: TinyModel, options: Readonly<Record<string, string | number | null>>): GrowthPlan =>
  planGrowth(source, makeRequest('hypercloning', { hidden: 8, ffn: 24 }, options));

/**
 * The largest root mean square, over weights that growing does not roughen, of how far copies of an entry lie
 * apart, as a share of the weight's own.
 */
function asymmetry(plan: GrowthPlan, weights: Moved): number {
  let worst = 0;
  for (const recipe of plan.tensors) {
    const { rows, columns } = resolveSides(recipe, plan.maps, plan.from, plan.to);
    const values = weights.get(recipe.name)!;
    const first = new Map<number, number>();
    if (recipe.noise !== null || recipe.projection !== null) continue;
    let apart = 0;
    let whole = 0;
    for (let r = 0; r < rows.to; r++)
      for (let c = 0; c < columns.to; c++) {
        const origin = rows.source[r]! * columns.from + columns.source[c]!;
        const value = values[r * columns.to + c]!;
        if (!first.has(origin)) first.set(origin, value);
        apart += (value - first.get(origin)!) ** 2;
        whole += value * value;
      }
    worst = Math.max(worst, Math.sqrt(apart / whole));
  }
  return worst;
}

describe.each(Object.entries(sources))('%s', (_, config) => {
  const source = makeTinyModel(config);
  const steps = 30;
  const base = train(source, fresh(source.weights), new Map(), steps);
  it('plain clones follow the source at the rates of the plan, and stay equal; at the source\u2019s own rates they do not follow', () => {
    const plan = doubled(source, { noise: null });
    const start = fresh(growWeights(plan, source.weights));
    const clone = train(grown(plan), start, ratesOf(plan), steps);
    const hasty = train(grown(plan), start, new Map(), 10);
    expect(furthest(clone.losses, base.losses)).toBeLessThan(1e-9);
    expect(asymmetry(plan, clone.state.weights)).toBeLessThan(1e-9);
    expect(furthest(hasty.losses, base.losses)).toBeGreaterThan(1e-3);
  });
  it.each([['noise'], ['projection']])('clones with %s part', (how) => {
    const plan = doubled(source, { break: how });
    const start = growWeights(plan, source.weights);
    const large = train(grown(plan), fresh(start), ratesOf(plan), steps);
    expect(asymmetry(plan, start)).toBe(0);
    expect(large.losses[0]).toBeCloseTo(base.losses[0]!, 9);
    expect(asymmetry(plan, large.state.weights)).toBeGreaterThan(1e-3);
  });
  it('grows in the middle of training and goes on as the source would have, moments and all', () => {
    const middle = train(source, fresh(source.weights), new Map(), 12);
    const rest = train(source, middle.state, new Map(), 24, 13);
    for (const [method, to] of [
      ['hypercloning', { hidden: 8, ffn: 24 }],
      ['hypercloning', { ffn: 12 }],
    ] as const) {
      const plan = planGrowth(source, makeRequest(method, to, { noise: null }));
      const moments = new Map(
        plan.tensors.map((r) => [
          r.name,
          growMoments(r, plan.maps, plan.from, plan.to, {
            expAvg: middle.state.mean.get(r.source)!,
            expAvgSq: middle.state.square.get(r.source)!,
          }),
        ]),
      );
      const start: State = {
        weights: growWeights(plan, middle.state.weights),
        mean: new Map([...moments].map(([n, m]) => [n, m.expAvg])),
        square: new Map([...moments].map(([n, m]) => [n, m.expAvgSq])),
      };
      expect(furthest(train(grown(plan), start, ratesOf(plan), 24, 13).losses, rest.losses)).toBeLessThan(
        1e-9,
      );
      expect(
        furthest(train(grown(plan), fresh(start.weights), ratesOf(plan), 24, 13).losses, rest.losses),
      ).toBeGreaterThan(1e-4);
    }
  });
});

describe('gradient factors', () => {
  it.each([...Object.entries(familyVariants), ...Object.entries(sources)])(
    'are what a first step sees: %s',
    (name, config) => {
      const source = makeTinyModel({ ...config, vocab_size: small.vocab_size });
      const { hidden, ffn } = source.dims as Record<string, number>;
      const before = train(source, fresh(source.weights), new Map(), 1).state.mean;
      for (const [method, to] of [
        name in sources
          ? (['net2net', { ffn: ffn! + 3 }] as const)
          : (['hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }] as const),
      ]) {
        const plan = planGrowth(source, makeRequest(method, to, { noise: null }));
        const start = fresh(growWeights(plan, source.weights));
        const after = train(grown(plan), start, new Map(), 1).state.mean;
        const apart = source.settings['tied'] !== settingsOf(familyById(plan.family), plan.config)['tied'];
        const { weight, tiedTo } = familyById(plan.family).head;
        for (const recipe of plan.tensors.filter((r) => !(apart && [weight, tiedTo].includes(r.name)))) {
          // a table that is no longer the head has half of its gradient
          const values = before.get(recipe.source)!;
          const found = after.get(recipe.name)!;
          const { expAvg: mean } = growMoments(recipe, plan.maps, plan.from, plan.to, {
            expAvg: values,
            expAvgSq: values.map((v) => v * v),
          });
          const scale = Math.max(...found.map(Math.abs), 1e-6);
          const worst = Math.max(...mean.map((v, i) => Math.abs(v - found[i]!)));
          expect([recipe.name, worst / scale < 1e-6]).toEqual([recipe.name, true]);
        }
      }
    },
  );
});

describe('after ten steps every new region that the plan does not call dead has moved', () => {
  const wishes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    expand: { hidden: 6, ffn: 9 },
    'clone-pad': { hidden: 10, ffn: 15 },
    'copy-pad': { hidden: 6, ffn: 9 },
    'shrink-perturb': { hidden: 6, ffn: 9 },
    vocab: { vocab: 9 },
    identity: { layers: 3 },
  };
  const cases = Object.entries(sources).flatMap(([name, config]) =>
    Object.entries(wishes).flatMap(([method, to]) =>
      [
        {},
        ...methods
          .get(method)!
          .options.flatMap((o) =>
            o.kind === 'choice'
              ? o.choices.filter((c) => c.value !== o.default).map((c) => ({ [o.id]: c.value }))
              : [],
          ),
      ].map((options) => [name, method, JSON.stringify(options), config, to, options] as const),
    ),
  );
  it.each(cases)('%s, %s %s', (_, method, __, config, to, options) => {
    const source = makeTinyModel(config);
    const heads =
      source.dims['heads'] === undefined ? {} : { heads: (source.dims['heads'] * (to['hidden'] ?? 4)) / 4 };
    const plan = planGrowth(
      source,
      makeRequest(method, method === 'vocab' || method === 'identity' ? to : { ...to, ...heads }, options),
    );
    const start = growWeights(plan, source.weights);
    const { weights } = train(grown(plan), fresh(start), ratesOf(plan), 10).state;
    const dead = plan.dead.map((d) => d.axis);
    for (const recipe of plan.tensors) {
      const { rows, columns } = resolveSides(recipe, plan.maps, plan.from, plan.to);
      const old = start.get(recipe.name)!;
      const now = weights.get(recipe.name)!;
      const spared = [...rows.axes, ...columns.axes].some(({ axis }) => dead.includes(axis));
      const added = Array.from(old.keys()).filter(
        (i) =>
          recipe.zeroOutput || rows.fill[Math.floor(i / columns.to)]! > 0 || columns.fill[i % columns.to]! > 0,
      );
      if (!spared && added.length > 0)
        expect([recipe.name, added.some((i) => Math.abs(now[i]! - old[i]!) > 1e-6)]).toEqual([
          recipe.name,
          true,
        ]);
      if (method === 'identity' && recipe.newLayer && recipe.kind === 'linear')
        expect([recipe.name, now.some((v, i) => Math.abs(v - old[i]!) > 1e-6)]).toEqual([recipe.name, true]);
    }
  });
});

describe('experts', () => {
  const config = sources['rotary, grouped, tied']!;
  const source = makeTinyModel(config);
  const parted = (weights: Moved, a: number, b: number): boolean =>
    ['w1', 'w2', 'w3'].every((w) => {
      const of = (e: number): Float64Array =>
        weights.get(`model.layers.0.block_sparse_moe.experts.${e}.${w}.weight`)!;
      return of(a).some((v, i) => Math.abs(v - of(b)[i]!) > 1e-4);
    });
  it.each([
    [{ experts: 3, active: 2 }, 0, 1],
    [{ experts: 4, active: 2, shards: 2 }, 0, 2],
  ] as const)('%o start where the source is and part, and the router learns', (options, a, b) => {
    const plan = planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, ...options }));
    const start = growWeights(plan, source.weights);
    const { losses, state } = train(grown(plan), fresh(start), ratesOf(plan), 12);
    expect(losses[0]).toBeCloseTo(train(source, fresh(source.weights), new Map(), 1).losses[0]!, 9);
    expect(parted(start, a, b)).toBe(false);
    expect(parted(state.weights, a, b)).toBe(true);
    const router = 'model.layers.0.block_sparse_moe.gate.weight';
    expect(state.weights.get(router)!.some((v, i) => Math.abs(v - start.get(router)![i]!) > 1e-3)).toBe(true);
  });
  it('are told to be used evenly: the loss that is followed, not the one that is told, counts how unevenly they are', () => {
    const router = 'model.layers.0.block_sparse_moe.gate.weight';
    const first = (balance: number): ReturnType<typeof train> => {
      const plan = planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, balance }));
      return train(grown(plan), fresh(growWeights(plan, source.weights)), ratesOf(plan), 1);
    };
    const [none, some, more] = [0, 0.01, 0.02].map(first) as [
      ReturnType<typeof train>,
      ReturnType<typeof train>,
      ReturnType<typeof train>,
    ];
    const gradient = ({ state }: ReturnType<typeof train>): Float64Array => state.mean.get(router)!;
    expect(some.losses).toEqual(none.losses);
    // equal experts: whichever is chosen, the loss is the same
    expect(Math.max(...gradient(none).map(Math.abs))).toBeLessThan(1e-15);
    expect(Math.max(...gradient(some).map(Math.abs))).toBeGreaterThan(1e-6);
    expect(furthest([...gradient(more)], [...gradient(some).map((v) => 2 * v)])).toBeLessThan(1e-12);
  });
  it('of which one is chosen, with weight one, leave the router without a gradient, as the plan says', () => {
    const plan = planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, active: 1, experts: 2, balance: 0 }));
    const { state } = train(grown(plan), fresh(growWeights(plan, source.weights)), ratesOf(plan), 5);
    expect(plan.dead.map((d) => d.axis)).toEqual(['experts']);
    expect(
      Math.max(...state.mean.get('model.layers.0.block_sparse_moe.gate.weight')!.map(Math.abs)),
    ).toBeLessThan(1e-15);
  });
  it('have gradients that sum to the source\u2019s', () => {
    const plan = planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, experts: 3, active: 2 }));
    const first = train(grown(plan), fresh(growWeights(plan, source.weights)), new Map(), 1).state.mean;
    const before = train(source, fresh(source.weights), new Map(), 1).state.mean;
    for (const [own, of] of [
      ['w1', 'gate_proj'],
      ['w2', 'down_proj'],
      ['w3', 'up_proj'],
    ] as const) {
      const sum = before
        .get(`model.layers.0.mlp.${of}.weight`)!
        .map((_, i) =>
          [0, 1, 2].reduce(
            (n, e) => n + first.get(`model.layers.0.block_sparse_moe.experts.${e}.${own}.weight`)![i]!,
            0,
          ),
        );
      expect(furthest([...sum], [...before.get(`model.layers.0.mlp.${of}.weight`)!])).toBeLessThan(1e-12);
    }
  });
});
