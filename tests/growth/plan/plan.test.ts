/**
 * @file Plans: counts, configs, reasons, speed. Real configs with their published parameter counts are in
 * tests/fixtures/configs.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthSource, LayerSource } from '../../../src-main/growth/recipe.ts';
import { multiplySizes } from '../../../src-main/growth/plan/sizes.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama, familyVariants } from '../variants/index.ts';

const folder = join(import.meta.dirname, '../../fixtures/configs');
interface Published {
  readonly config: JsonObject;
  readonly parameters: number;
  readonly grown: readonly { readonly times: Record<string, number>; readonly parameters: number }[];
}
const published = readdirSync(folder).map(
  (file) => [file, JSON.parse(readFileSync(join(folder, file), 'utf8')) as Published] as const,
);

function card(config: JsonObject): GrowthSource {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  return {
    family: family.id,
    dims,
    settings,
    config,
    tensors: parametersOf(family, dims, settings).map(({ name }) => ({ name, dtype: 'bfloat16' })),
  };
}
const reasons = (plan: GrowthPlan, name: string): readonly (readonly [number, string])[] =>
  plan.tensors.find((t) => t.name === name)!.factors.map((f) => [f.by, f.why]);
const factor = (plan: GrowthPlan, name: string): number =>
  plan.tensors.find((t) => t.name === name)!.factors.reduce((p, f) => p * f.by, 1);

describe('published models', () => {
  it.each(published)('%s', (_, { config, parameters, grown }) => {
    const source = card(config);
    const plan = planGrowth(source, makeRequest('expand', multiplySizes({ ffn: 2 }, source.dims)));
    expect(plan.parameters.before).toBe(parameters);
    for (const { times, parameters: after } of grown) {
      const big = planGrowth(source, makeRequest('hypercloning', multiplySizes(times, source.dims)));
      expect(big.parameters.after).toBe(after);
      expect(big.tensors.reduce((sum, t) => sum + countElements(t.to), 0)).toBe(after);
    }
  });
  it('a 7B model is planned from its config alone, by whatever method', () => {
    const source = card(published.find(([file]) => file.includes('7b'))![1].config);
    expect(source.tensors).toHaveLength(291);
    expect(planGrowth(source, makeRequest('net2net', { ffn: 12_345 })).to).toMatchObject({ ffn: 12_345 });
    for (const method of ['hypercloning', 'expand', 'clone-pad'])
      expect(planGrowth(source, makeRequest(method, { hidden: 8192 })).tensors).toHaveLength(291);
  });
});

describe.each([...methods.values()].filter((m) => !m.mixture).map((m) => m.id))('a plan of %s', (method) => {
  it.each(Object.entries(familyVariants))('for %s', (_, config) => {
    const source = makeTinyModel(config);
    const ffn = source.dims['ffn']!;
    const layers = source.dims['layers']!;
    const inner = { ffn: ffn + 11 };
    const wish =
      (
        {
          hypercloning: { hidden: 24, ffn: 2 * ffn },
          net2net: inner,
          aki: inner,
          vocab: { vocab: 64 },
        } as Record<string, Record<string, number>>
      )[method] ??
      (methods.get(method)!.mapLayers
        ? { layers: 2 * layers }
        : source.config['do_layer_norm_before'] === false
          ? inner
          : { hidden: 24, ...inner });
    const plan = planGrowth(source, makeRequest(method, wish));
    const family = familyOf(config);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(planGrowth(source, makeRequest(method, wish))).toEqual(plan);
    expect(dimsOf(family, plan.config)).toEqual(plan.to);
    const { layerTypes, tied, ...settings } = settingsOf(family, plan.config);
    expect(settings).toEqual(
      Object.fromEntries(
        Object.entries(source.settings).filter(([name]) => name !== 'layerTypes' && name !== 'tied'),
      ),
    );
    if (Array.isArray(layerTypes))
      expect(layerTypes).toEqual(
        plan.layers.map((l) => (source.settings['layerTypes'] as readonly string[])[l.source]),
      );
    expect(
      tied === source.settings['tied'] || plan.notes.some((note) => note.includes('weights of its own')),
    ).toBe(true);
    expect(Object.keys(config).filter((key) => !(key in plan.config))).toEqual([]);
    expect(plan.tensors.map((t) => [t.name, t.to])).toEqual(
      parametersOf(family, plan.to, { ...source.settings, tied: tied! }).map((p) => [p.name, p.shape]),
    );
    expect(plan.tensors.every((t) => source.weights.has(t.source) && t.lrScale > 0)).toBe(true);
    expect(plan.tensors.reduce((sum, t) => sum + countElements(t.to), 0)).toBe(plan.parameters.after);
    expect(plan.request.options).toEqual(
      Object.fromEntries(methods.get(method)!.options.map((o) => [o.id, o.default])),
    );
  });
});

describe('factors', () => {
  it('hypercloning of a tied model divides readers, and its last norm pays for the head', () => {
    const plan = planGrowth(makeTinyModel(llama), makeRequest('hypercloning', { hidden: 24, ffn: 60 }));
    expect(reasons(plan, 'model.layers.0.self_attn.q_proj.weight')).toEqual([
      [1 / 2, 'sums 2 equal copies of hidden'],
    ]);
    expect(reasons(plan, 'model.layers.0.mlp.down_proj.weight')).toEqual([
      [1 / 3, 'sums 3 equal copies of ffn'],
    ]);
    expect(reasons(plan, 'model.layers.0.self_attn.o_proj.weight')).toEqual([
      [1 / 2, 'sums 2 equal copies of kv_heads'],
    ]);
    expect(reasons(plan, 'model.norm.weight')).toEqual([
      [1 / 2, 'compensates for the head, which is tied to the embedding and sums 2 equal copies'],
    ]);
    expect(reasons(plan, 'model.embed_tokens.weight')).toEqual([]);
    expect(
      plan.tensors
        .filter((t) => t.lrScale !== 1)
        .map((t) => [t.source.replace(/.*\.(\w+\.\w+)$/, '$1'), t.lrScale])
        .slice(0, 4),
    ).toEqual([
      ['q_proj.weight', 1 / 2],
      ['k_proj.weight', 1 / 2],
      ['v_proj.weight', 1 / 2],
      ['o_proj.weight', 1 / 2],
    ]);
  });
  it('expansion stretches writers and undoes it in gains; the tied norm pays twice', () => {
    const s = Math.sqrt(18 / 12);
    const plan = planGrowth(makeTinyModel(llama), makeRequest('expand', { hidden: 18 }));
    expect(factor(plan, 'model.embed_tokens.weight')).toBeCloseTo(s, 12);
    expect(factor(plan, 'model.layers.1.mlp.down_proj.weight')).toBeCloseTo(s, 12);
    expect(factor(plan, 'model.layers.1.input_layernorm.weight')).toBeCloseTo(1 / s, 12);
    expect(factor(plan, 'model.norm.weight')).toBeCloseTo(1 / s ** 2, 12);
    expect(reasons(plan, 'model.layers.0.self_attn.q_proj.weight')).toEqual([]);
    const layer = planGrowth(makeTinyModel(gpt2), makeRequest('expand', { hidden: 20 }));
    expect(factor(layer, 'wpe.weight')).toBeCloseTo(Math.sqrt(20 / 12), 12);
    expect(factor(layer, 'ln_f.bias')).toBeCloseTo(Math.sqrt(12 / 20), 12);
    expect(factor(layer, 'h.0.ln_1.bias')).toBe(1);
  });
  it('noise goes to readers of copies and never to heads, tables, norms and biases', () => {
    const plan = planGrowth(
      makeTinyModel({ ...llama, tie_word_embeddings: false, attention_bias: true }),
      makeRequest('hypercloning', { hidden: 24 }),
    );
    const noisy = new Set(
      plan.tensors.filter((t) => t.noise !== null).map((t) => t.name.replace(/.*layers\.\d+\./, '')),
    );
    expect([...noisy]).toEqual([
      'self_attn.q_proj.weight',
      'self_attn.k_proj.weight',
      'self_attn.v_proj.weight',
      'self_attn.o_proj.weight',
      'mlp.gate_proj.weight',
      'mlp.up_proj.weight',
    ]);
  });
});

describe('depth', () => {
  const layers = (from: number, to: number): string =>
    (methods.get('identity')!.mapLayers!(from, to, {}) as readonly LayerSource[])
      .map((l) => `${l.source}${l.identity ? '*' : ''}`)
      .join(' ');
  it('is spread evenly', () => {
    expect(layers(4, 6)).toBe('0 1 1* 2 3 3*');
    expect(layers(3, 4)).toBe('0 1 2 2*');
    expect(layers(2, 6)).toBe('0 0* 0* 1 1* 1*');
    expect(
      layers(32, 40)
        .split(' ')
        .flatMap((l, i) => (l.endsWith('*') ? [i] : [])),
    ).toEqual([4, 9, 14, 19, 24, 29, 34, 39]);
  });
  it('silences writers of the new layers alone', () => {
    const silent = planGrowth(makeTinyModel(gpt2), makeRequest('identity', { layers: 3 }))
      .tensors.filter((t) => t.zeroOutput)
      .map((t) => t.name);
    expect(silent).toEqual([
      'h.2.attn.c_proj.weight',
      'h.2.attn.c_proj.bias',
      'h.2.mlp.c_proj.weight',
      'h.2.mlp.c_proj.bias',
    ]);
  });
});

describe('other depths', () => {
  const layers = (method: string, from: number, to: number, options = {}): string =>
    (methods.get(method)!.mapLayers!(from, to, { n: 2, k: null, ...options }) as readonly LayerSource[])
      .map((l) => l.source)
      .join(' ');
  it('stack repeats the model, interleave each layer', () => {
    expect(layers('stack', 3, 6)).toBe('0 1 2 0 1 2');
    expect(layers('interleave', 3, 6)).toBe('0 0 1 1 2 2');
    expect(layers('interleave', 4, 6)).toBe('0 0 1 2 2 3');
  });
  it('solar trims the seams', () => {
    expect(layers('solar', 4, 6)).toBe('0 1 2 1 2 3');
    expect(
      layers('solar', 32, 48)
        .split(' ')
        .filter((_, i) => i === 23 || i === 24),
    ).toEqual(['23', '8']);
    expect(layers('solar', 5, 11, { n: 3 })).toBe('0 1 2 3 1 2 3 1 2 3 4');
  });
});

describe('shrink and perturb', () => {
  const source = makeTinyModel({ ...llama, tie_word_embeddings: false, initializer_range: 0.05 });
  const plan = planGrowth(source, makeRequest('shrink-perturb', { hidden: 24, ffn: 60 }));
  const line = (name: string) => plan.tensors.find((t) => t.name.endsWith(name))!;
  it('writes µP into the plan: deviations and learning rates by class', () => {
    for (const [name, deviation, rate] of [
      ['embed_tokens.weight', 0.05, 1],
      ['q_proj.weight', 0.05 / Math.SQRT2, 1 / 2],
      ['down_proj.weight', 0.05 / Math.sqrt(3), 1 / 3],
      ['lm_head.weight', 0.025, 1 / 2],
      ['input_layernorm.weight', 0, 1],
    ] as const) {
      expect(line(name).perturbation, name).toBeCloseTo(deviation, 12);
      expect(line(name).lrScale, name).toBeCloseTo(rate, 12);
    }
    expect(factor(plan, 'lm_head.weight')).toBe(0.4);
    expect(factor(plan, 'model.norm.weight')).toBe(1);
  });
  it('a tied head is paid for by the last norm', () => {
    const tied = planGrowth(makeTinyModel(llama), makeRequest('shrink-perturb', { hidden: 24 }));
    const norm = tied.tensors.find((t) => t.name === 'model.norm.weight')!;
    expect([factor(tied, 'model.norm.weight'), norm.lrScale]).toEqual([1 / 2, 1 / 2]);
  });
});

it('says which new entries would never learn', () => {
  const dead = (method: string, options: Record<string, string>): readonly string[] =>
    planGrowth(makeTinyModel(llama), makeRequest(method, { hidden: 18, ffn: 30 }, options)).dead.map(
      (d) => d.axis,
    );
  expect(dead('copy-pad', { fill: 'zero' })).toEqual(['hidden', 'kv_heads', 'ffn']);
  expect(dead('copy-pad', { fill: 'random' })).toEqual([]);
  expect(
    planGrowth(makeTinyModel(llama), makeRequest('copy-pad', { ffn: 30 }, { fill: 'zero' })).notes.join(' '),
  ).toContain('never learn');
});

describe('config.json', () => {
  it('says sizes that no longer follow', () => {
    const without = Object.fromEntries(
      Object.entries({ ...llama, hidden_size: 24 }).filter(([key]) => key !== 'head_dim'),
    ) as JsonObject;
    expect(
      planGrowth(makeTinyModel({ ...gpt2, n_inner: null }), makeRequest('hypercloning', { hidden: 24 }))
        .config['n_inner'],
    ).toBe(48);
    expect(
      planGrowth(makeTinyModel(without), makeRequest('hypercloning', { hidden: 48 })).config,
    ).toMatchObject({
      head_dim: 4,
      num_attention_heads: 12,
      num_key_value_heads: 4,
      hidden_size: 48,
    });
  });
  it('says the element type', () => {
    const plan = planGrowth(makeTinyModel(llama), {
      ...makeRequest('hypercloning', { hidden: 24 }),
      dtype: 'bfloat16',
    });
    expect(plan.config['torch_dtype']).toBe('bfloat16');
    expect(plan.tensors.every((t) => t.dtype === 'bfloat16')).toBe(true);
    expect(plan.notes.join(' ')).toContain('bfloat16');
  });
});

it('plain clones come with a warning, noisy ones without', () => {
  const notes = (noise: number | null): string =>
    planGrowth(makeTinyModel(llama), makeRequest('hypercloning', { hidden: 24 }, { noise })).notes.join(' ');
  expect(notes(null)).toContain('clones stay identical');
  expect(notes(10)).not.toContain('clones stay identical');
});
