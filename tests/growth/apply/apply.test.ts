/** @file Applying recipes: seeds, new entries, each entry against its definition, and float32. */
import { describe, expect, it } from 'vitest';
import { applyRecipe, computeAdditions } from '../../../src-main/growth/apply/apply.ts';
import { resolveSides } from '../../../src-main/growth/apply/sides.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { parseLayout, type Axis } from '../../../src-main/tensor/layout.ts';
import { recipeOf } from '../plan/factor-of.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { normalizesStream } from '../../../src-main/growth/plan/post-norm.ts';
import { growableSizes, growWeights, makeRequest, makeTinyModel } from '../tiny-model.ts';
import { familyVariants, gpt2, llama } from '../variants/index.ts';
import { applyInFloat32, readFloat32 } from './apply-to.ts';

describe('the seed', () => {
  const source = makeTinyModel(llama);

  it.each([
    ['hypercloning', { hidden: 24 }],
    ['expand', { hidden: 18, ffn: 25 }],
  ] as const)('and the name of a weight determine its random values: %s', (method, to) => {
    const plan = planGrowth(source, makeRequest(method, to));
    const recipe = recipeOf(plan, '0.self_attn.q_proj.weight');
    const otherName: TensorRecipe = {
      ...recipeOf(plan, '1.self_attn.q_proj.weight'),
      source: recipe.source,
    };
    const grown = applyInFloat32(source, plan, recipe);
    expect(applyInFloat32(source, plan, recipe)).toEqual(grown);
    expect(applyInFloat32(source, plan, recipe, 8)).not.toEqual(grown);
    expect(applyInFloat32(source, plan, recipe, 7 + 2 ** 40)).not.toEqual(grown);
    expect(applyInFloat32(source, plan, otherName)).not.toEqual(grown);
  });

  it('does not matter without random values', () => {
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }, { noise: null }));
    for (const recipe of plan.tensors) {
      const grown = applyInFloat32(source, plan, recipe, 1);
      expect(applyInFloat32(source, plan, recipe, 2)).toEqual(grown);
    }
  });
});

describe('new entries', () => {
  it.each([
    ['llama', llama, { hidden: 24, ffn: 27 }],
    ['llama', llama, { group: 6 }],
    ['gpt2', gpt2, { hidden: 20, ffn: 27 }],
  ] as const)('of %s are drawn in all weights that write an axis or in all that read it', (_, config, to) => {
    const plan = planGrowth(makeTinyModel(config), makeRequest('expand', to));
    const layer = plan.tensors.filter(({ name, kind }) => name.includes('.0.') && kind === 'linear');
    for (const axis of Object.keys(plan.maps) as Axis[]) {
      const fillsOf = (role: string): readonly (string | undefined)[] =>
        layer.flatMap((recipe) => {
          const matches = parseLayout(recipe.layout).axes.filter(
            (one) => one.axis === axis && one.role === role,
          );
          return matches.map(() => recipe.fills[axis]);
        });
      const read = fillsOf('in');
      const written = fillsOf('out');
      expect(read.length).toBeGreaterThan(0);
      expect(written.length).toBeGreaterThan(0);
      const areDrawn = (fills: readonly unknown[]): boolean => fills.every((fill) => fill === 'draw');
      expect(areDrawn(read) || areDrawn(written)).toBe(true);
    }
  });

  it('are drawn with the std of the config', () => {
    const source = makeTinyModel({ ...llama, initializer_range: 0.05 });
    const plan = planGrowth(source, makeRequest('expand', { ffn: 4000 }));
    const grown = applyInFloat32(source, plan, recipeOf(plan, '0.mlp.up_proj.weight'));
    const added = grown.subarray(20 * 12);
    const meanSquare = added.reduce((sum, value) => sum + value * value, 0) / added.length;
    expect(Math.sqrt(meanSquare)).toBeCloseTo(0.05, 3);
  });

  it('are means of the old ones under a LayerNorm, whose gains are one and shifts zero', () => {
    const source = makeTinyModel(gpt2);
    const plan = planGrowth(source, makeRequest('expand', { hidden: 20 }));
    const grown = growWeights(plan, source.weights);
    const embedding = grown.get('wte.weight')!;
    const mean = embedding.subarray(0, 12).reduce((a, b) => a + b, 0) / 12;
    for (let column = 12; column < 20; column++) expect(embedding[column]).toBeCloseTo(mean, 12);
    expect([...grown.get('ln_f.weight')!.subarray(12)]).toEqual(Array.from({ length: 8 }, () => 1));
    expect([...grown.get('ln_f.bias')!.subarray(12)]).toEqual(Array.from({ length: 8 }, () => 0));
  });

  it('of a gain that is stored minus one are zero, and old entries are scaled plus one', () => {
    const plan = planGrowth(makeTinyModel(llama), makeRequest('expand', { hidden: 18 }));
    const recipe = { ...recipeOf(plan, '0.input_layernorm.weight'), offset: 1 };
    const stored = new Float64Array(12).fill(0.5);
    const grown = applyRecipe(recipe, plan.maps, plan.from, plan.to, stored, 7);
    expect(grown[0]).toBeCloseTo(1.5 * Math.sqrt(12 / 18) - 1, 12);
    expect(grown[17]).toBe(0);
  });
});

describe('every old entry has the value that its recipe defines', () => {
  it.each(Object.entries(familyVariants))('%s', (_, config) => {
    const source = makeTinyModel(config);
    const hidden = source.dims['hidden']!;
    const isPadded = !normalizesStream(familyOf(config));
    for (const [method, to, options] of [
      ['hypercloning', { hidden: 3 * hidden }, { noise: null }],
      ['hypercloning', { hidden: 2 * hidden }, { noise: null, variant: 'diagonal' }],
      ['expand', { ...(isPadded ? { hidden: 2 * hidden } : {}), ffn: 60 }, {}],
      ['clone-pad', { ffn: 70 }, { noise: null }],
      ['net2net', { ffn: 50 }, { noise: null }],
    ] as const) {
      const sizes = growableSizes(source, to);
      if (Object.keys(sizes).length === 0) continue;
      const plan = planGrowth(source, makeRequest(method, sizes, options));
      const grown = growWeights(plan, source.weights);
      for (const recipe of plan.tensors) {
        const { rows, columns, scale } = resolveSides(recipe, plan.maps, plan.from, plan.to);
        const values = source.weights.get(recipe.source)!;
        const out = grown.get(recipe.name)!;
        const rowsAreInputs = rows.role === 'in';
        const inputCopies = rowsAreInputs ? rows.copies : columns.copies;
        const offset = recipe.factors.length > 0 ? recipe.offset : 0;
        for (let row = 0; row < rows.to; row += 3) {
          for (let column = 0; column < columns.to; column++) {
            const sourceRow = rows.source[row]!;
            const sourceColumn = columns.source[column]!;
            if (sourceRow < 0 || sourceColumn < 0) continue;
            const rowCopy = rows.copy[row]!;
            const columnCopy = columns.copy[column]!;
            const inputCopy = rowsAreInputs ? rowCopy : columnCopy;
            const outputCopy = rowsAreInputs ? columnCopy : rowCopy;
            const isOffDiagonal = recipe.spread === 'diagonal' && inputCopy !== outputCopy % inputCopies;
            const factor = scale * (rows.scale?.[row] ?? 1) * (columns.scale?.[column] ?? 1);
            const old = values[sourceRow * columns.from + sourceColumn]!;
            const expected = isOffDiagonal ? 0 : (old + offset) * factor - offset;
            const actual = out[row * columns.to + column];
            // Millions of entries: expect is called only to report a difference.
            if (actual !== expected) expect(actual, `${recipe.name} [${row}, ${column}]`).toBe(expected);
          }
        }
      }
    }
  });
});

it('float32 results are float64 results, rounded', () => {
  const source = makeTinyModel(gpt2);
  const plan = planGrowth(source, makeRequest('expand', { hidden: 20, ffn: 33 }));
  for (const recipe of plan.tensors) {
    const values = source.weights.get(recipe.source)!;
    const float64 = applyRecipe(recipe, plan.maps, plan.from, plan.to, values, 7);
    applyInFloat32(source, plan, recipe).forEach((value, i) => {
      const tolerance = 3e-7 * Math.max(1, Math.abs(float64[i]!));
      expect(Math.abs(value - float64[i]!)).toBeLessThan(tolerance);
    });
  }
});

describe('computeAdditions', () => {
  it('returns new entries, and -0 for entries that are copied', () => {
    const source = makeTinyModel(gpt2);
    const plan = planGrowth(source, makeRequest('expand', { hidden: 20, ffn: 33 }));
    const recipe = recipeOf(plan, '0.mlp.c_proj.weight');
    const values = readFloat32(source, recipe.source);
    const additions = computeAdditions(recipe, plan.maps, plan.from, plan.to, values, 7);
    const grown = applyInFloat32(source, plan, recipe);
    for (let row = 0; row < 33; row++) {
      for (let column = 0; column < 20; column++) {
        const isCopied = row < 20 && column < 12;
        const i = row * 20 + column;
        expect(additions[i]).toBe(isCopied ? -0 : grown[i]);
      }
    }
  });
});
