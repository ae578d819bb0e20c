/**
 * @file The interpreter: seeds, noise, new units, rounding. Exactness of whole models is in exact.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { computeAdditions, applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { decibelsToPowerRatio } from '../../../src-main/growth/apply/noise.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { resolveSides } from '../../../src-main/growth/apply/sides.ts';
import { parseLayout } from '../../../src-main/tensor/layout.ts';
import { makeRequest, growWeights, maxLogitChange, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { gpt2, llama, familyVariants } from '../variants/index.ts';

const one = (plan: GrowthPlan, name: string): TensorRecipe =>
  plan.tensors.find((t) => t.name.endsWith(name))!;
const made = (
  source: TinyModel,
  plan: GrowthPlan,
  recipe: TensorRecipe,
  seed = plan.request.seed,
): Float32Array =>
  applyRecipe(
    recipe,
    plan.maps,
    plan.from,
    plan.to,
    Float32Array.from(source.weights.get(recipe.source)!),
    seed,
  );

describe('seeds', () => {
  it.each([
    ['hypercloning', { hidden: 24 }],
    ['expand', { hidden: 18, ffn: 25 }],
  ] as const)('%s: one seed, one result; another seed, another', (method, to) => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest(method, to));
    const recipe = one(plan, '0.self_attn.q_proj.weight');
    expect(made(source, plan, recipe)).toEqual(made(source, plan, recipe));
    expect(made(source, plan, recipe, 8)).not.toEqual(made(source, plan, recipe));
    expect(made(source, plan, recipe, 7 + 2 ** 40)).not.toEqual(made(source, plan, recipe));
    const other = one(plan, '1.self_attn.q_proj.weight');
    expect(made(source, plan, { ...other, source: recipe.source })).not.toEqual(made(source, plan, recipe));
  });
  it('without noise or draws the seed is nothing', () => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }, { noise: null }));
    for (const recipe of plan.tensors)
      expect(made(source, plan, recipe, 1)).toEqual(made(source, plan, recipe, 2));
  });
});

describe('paired noise', () => {
  const source = makeTinyModel(llama);
  const pair = (
    name: string,
    noise: number,
    to: Record<string, number>,
  ): { clean: Float32Array; noisy: Float32Array; plan: GrowthPlan; recipe: TensorRecipe } => {
    const plan = planGrowth(source, makeRequest('hypercloning', to, { noise }));
    const recipe = one(plan, name);
    return {
      plan,
      recipe,
      noisy: made(source, plan, recipe),
      clean: made(source, plan, { ...recipe, noise: null }),
    };
  };
  it('has exactly the wanted power in each head and copy, and cancels between copies', () => {
    const { clean, noisy, recipe } = pair('0.self_attn.q_proj.weight', 10, { hidden: 24 });
    const width = recipe.to[1]!;
    const head = 4;
    for (let h = 0; h < recipe.to[0]! / head; h++) {
      let signal = 0;
      let power = 0;
      for (let r = h * head; r < (h + 1) * head; r++)
        for (let c = 0; c < 12; c++) {
          const [a, b] = [r * width + c, r * width + c + 12];
          signal += clean[a]! ** 2;
          power += (noisy[a]! - clean[a]!) ** 2;
          expect(noisy[a]! + noisy[b]!).toBeCloseTo(clean[a]! + clean[b]!, 6);
        }
      expect(10 * Math.log10(signal / power)).toBeCloseTo(10, 4);
    }
  });
  it('leaves an odd last copy alone, and differs between copies of the output', () => {
    const { clean, noisy, recipe } = pair('0.mlp.gate_proj.weight', 3, { hidden: 36, ffn: 40 });
    const width = recipe.to[1]!;
    for (let r = 0; r < 40; r++)
      for (let c = 24; c < 36; c++) expect(noisy[r * width + c]).toBe(clean[r * width + c]);
    expect(noisy.subarray(0, 12)).not.toEqual(noisy.subarray(20 * width, 20 * width + 12));
  });
  it('parts copies in every family and shape, and moves no logit', () => {
    for (const config of Object.values(familyVariants)) {
      const s = makeTinyModel(config);
      const plan = planGrowth(
        s,
        makeRequest('hypercloning', { hidden: 2 * s.dims['hidden']! }, { noise: 3 }),
      );
      const grown = growWeights(plan, s.weights);
      const plain = growWeights(plan, s.weights, (r) => ({ ...r, noise: null }));
      expect(maxLogitChange(s, plan, grown)).toBeLessThan(1e-9);
      for (const recipe of plan.tensors)
        expect([
          recipe.name,
          grown.get(recipe.name)!.some((v, i) => v !== plain.get(recipe.name)![i]),
        ]).toEqual([recipe.name, recipe.noise !== null]);
    }
  });
  it('a weight of zeros gets none', () => {
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }));
    const recipe = one(plan, '0.mlp.up_proj.weight');
    expect(
      applyRecipe(recipe, plan.maps, plan.from, plan.to, new Float32Array(20 * 12), 7).every((v) => v === 0),
    ).toBe(true);
  });
  it('decibels are powers of ten', () => {
    for (const dB of [-10, 0, 3, 10, 40, 80])
      expect(decibelsToPowerRatio(dB) / 10 ** (dB / 10)).toBeCloseTo(1, 11);
  });
});

describe('new units', () => {
  it('are alive: no axis is zero both where it is written and where it is read', () => {
    for (const [config, to] of [
      [llama, { hidden: 24, ffn: 27 }],
      [llama, { group: 6 }],
      [gpt2, { hidden: 20, ffn: 27 }],
    ] as const) {
      const plan = planGrowth(makeTinyModel(config), makeRequest('expand', to));
      const layer = plan.tensors.filter((t) => /\.0\./.test(t.name) && t.kind === 'linear');
      for (const axis of Object.keys(plan.maps)) {
        const fills = (role: string): readonly (string | undefined)[] =>
          layer.flatMap((t) =>
            parseLayout(t.layout)
              .axes.filter((a) => a.axis === axis && a.role === role)
              .map(() => t.fills[axis as 'ffn']),
          );
        for (const side of [fills('in'), fills('out')]) expect(side.length).toBeGreaterThan(0);
        expect(fills('in').every((f) => f === 'draw') || fills('out').every((f) => f === 'draw')).toBe(true);
      }
    }
  });
  it('are drawn with the deviation of the config', () => {
    const source = makeTinyModel({ ...llama, initializer_range: 0.05 });
    const plan = planGrowth(source, makeRequest('expand', { ffn: 4000 }));
    const values = made(source, plan, one(plan, '0.mlp.up_proj.weight')).subarray(20 * 12);
    expect(Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length)).toBeCloseTo(0.05, 3);
  });
  it('carry the mean of the old under a layer norm', () => {
    const source = makeTinyModel(gpt2);
    const plan = planGrowth(source, makeRequest('expand', { hidden: 20 }));
    const grown = growWeights(plan, source.weights);
    const table = grown.get('wte.weight')!;
    const mean = table.subarray(0, 12).reduce((a, b) => a + b, 0) / 12;
    for (let c = 12; c < 20; c++) expect(table[c]).toBeCloseTo(mean, 12);
    expect(
      grown
        .get('ln_f.weight')!
        .subarray(12)
        .every((v) => v === 1),
    ).toBe(true);
    expect(
      grown
        .get('ln_f.bias')!
        .subarray(12)
        .every((v) => v === 0),
    ).toBe(true);
  });
  it('an offset gain is scaled as what it stands for, and new ones stand for one', () => {
    const plan = planGrowth(makeTinyModel(llama), makeRequest('expand', { hidden: 18 }));
    const recipe = { ...one(plan, '0.input_layernorm.weight'), offset: 1 };
    const out = applyRecipe(recipe, plan.maps, plan.from, plan.to, new Float64Array(12).fill(0.5), 7);
    expect(out[0]).toBeCloseTo(1.5 * Math.sqrt(12 / 18) - 1, 12);
    expect(out[17]).toBe(0);
  });
});

describe('each value of a whole plan, the slow way', () => {
  /** One cell from its definition: no runs, no copying. */
  it.each(Object.entries(familyVariants))('%s', (_, config) => {
    const source = makeTinyModel(config);
    const hidden = source.dims['hidden']!;
    const post = source.config['do_layer_norm_before'] === false;
    for (const [method, to, options] of [
      ['hypercloning', { hidden: 3 * hidden }, { noise: null }],
      ['hypercloning', { hidden: 2 * hidden }, { noise: null, variant: 'diagonal' }],
      ['expand', { ...(post ? {} : { hidden: 2 * hidden }), ffn: 60 }, {}],
      ['clone-pad', { ffn: 70 }, { noise: null }],
      ['net2net', { ffn: 50 }, { noise: null }],
    ] as const) {
      const plan = planGrowth(source, makeRequest(method, to, options));
      for (const recipe of plan.tensors) {
        const { rows, columns, scale } = resolveSides(recipe, plan.maps, plan.from, plan.to);
        const values = source.weights.get(recipe.source)!;
        const out = growWeights(plan, source.weights).get(recipe.name)!;
        const [inner, outer] = rows.role === 'in' ? [rows, columns] : [columns, rows];
        for (let r = 0; r < rows.to; r += 3)
          for (let c = 0; c < columns.to; c++) {
            if (rows.source[r]! < 0 || columns.source[c]! < 0) continue;
            const [i, o] =
              inner === rows ? [inner.copy[r]!, outer.copy[c]!] : [inner.copy[c]!, outer.copy[r]!];
            const silent = recipe.spread === 'diagonal' && i !== o % inner.copies;
            const offset = recipe.factors.length ? recipe.offset : 0;
            const old =
              (values[rows.source[r]! * columns.from + columns.source[c]!]! + offset) *
                (scale * (rows.scale?.[r] ?? 1) * (columns.scale?.[c] ?? 1)) -
              offset;
            if (out[r * columns.to + c] !== (silent ? 0 : old))
              expect([recipe.name, r, c, out[r * columns.to + c]]).toEqual([
                recipe.name,
                r,
                c,
                silent ? 0 : old,
              ]);
          }
      }
    }
  });
});

it('float32 is float64 rounded once, up to noise', () => {
  const source = makeTinyModel(gpt2);
  const plan = planGrowth(source, makeRequest('expand', { hidden: 20, ffn: 33 }));
  for (const recipe of plan.tensors) {
    const narrow = made(source, plan, recipe);
    const wide = applyRecipe(recipe, plan.maps, plan.from, plan.to, source.weights.get(recipe.source)!, 7);
    narrow.forEach((v, i) =>
      expect(Math.abs(v - wide[i]!)).toBeLessThan(3e-7 * Math.max(1, Math.abs(wide[i]!))),
    );
  }
});

it('additions are what carried values lack', () => {
  const source = makeTinyModel(gpt2);
  const plan = planGrowth(source, makeRequest('expand', { hidden: 20, ffn: 33 }));
  const recipe = one(plan, '0.mlp.c_proj.weight');
  const values = Float32Array.from(source.weights.get(recipe.source)!);
  const added = computeAdditions(recipe, plan.maps, plan.from, plan.to, values, 7);
  const whole = made(source, plan, recipe);
  for (let r = 0; r < 33; r++)
    for (let c = 0; c < 20; c++) expect(added[r * 20 + c]).toBe(r < 20 && c < 12 ? -0 : whole[r * 20 + c]);
});
