/** @file Copies that rounding makes equal are counted as a comparison of all values in float32 counts them. */
import { describe, expect, it } from 'vitest';
import { findAllCopies } from '../../src-main/growth/asymmetry.ts';
import {
  countEqualPairs,
  countMergedCopies,
  describeEqualCopies,
  roundsNoise,
  type EqualCopies,
} from '../../src-main/growth/equal-copies.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { downcast, type WeightDType } from '../../src-main/tensor/dtype.ts';
import { applyInFloat32 } from './apply/apply-to.ts';
import { makeRequest, makeTinyModel, type TinyModel } from './tiny-model.ts';
import { gpt2, llama } from './variants/index.ts';

const toBits = (values: Float32Array, dtype: WeightDType): Uint16Array =>
  new Uint16Array(downcast(values, dtype).buffer);

/** Counts the partners of entries one model width apart along the input. */
function countByComparing(
  values: Float32Array,
  bits: Uint16Array,
  columns: number,
  distance: number,
): EqualCopies {
  let pairs = 0;
  let equal = 0;
  const isRowInput = distance % columns === 0;
  for (let at = 0; at + distance < values.length; at++) {
    const place = isRowInput ? at : at % columns;
    if (Math.floor(place / distance) % 2 === 1 || values[at] === values[at + distance]) continue;
    pairs++;
    if (bits[at] === bits[at + distance]) equal++;
  }
  return { pairs, equal };
}

interface Case {
  readonly source: TinyModel;
  readonly plan: GrowthPlan;
  readonly recipe: TensorRecipe;
}

function grow(config: typeof llama, name: string, noise: number, dtype: WeightDType): Case {
  const source = makeTinyModel(config);
  const to = { hidden: 2 * source.dims['hidden']! };
  const plan = planGrowth(source, { ...makeRequest('hypercloning', to, { noise }), dtype });
  return { source, plan, recipe: plan.tensors.find((one) => one.name.endsWith(name))! };
}

/** The count of a weight whose rows are read one by one. */
const countIn = ({ plan, recipe }: Case, bits: Uint16Array, maxRows?: number): Promise<EqualCopies> => {
  const columns = recipe.to.at(-1)!;
  const context = { maps: plan.maps, from: plan.from, to: plan.to, seed: plan.request.seed };
  const readRow = (row: number): Promise<Uint16Array> =>
    Promise.resolve(bits.subarray(row * columns, (row + 1) * columns));
  return countEqualPairs(recipe, context, readRow, maxRows);
};

describe.each([
  ['outputs as rows', llama, '0.mlp.gate_proj.weight'],
  ['inputs as rows', gpt2, 'h.0.mlp.c_fc.weight'],
] as const)('countEqualPairs with %s', (_, config, name) => {
  it.each([
    ['bfloat16', 50],
    ['bfloat16', 20],
    ['float16', 70],
  ] as const)('counts as a comparison of all values: %s, %i dB', async (dtype, noise) => {
    const made = grow(config, name, noise, dtype);
    const values = applyInFloat32(made.source, made.plan, made.recipe);
    const bits = toBits(values, dtype);
    const columns = made.recipe.to[1]!;
    const width = made.source.dims['hidden']!;
    const expected = countByComparing(values, bits, columns, config === gpt2 ? width * columns : width);
    const found = await countIn(made, bits);
    expect(found).toEqual(expected);
    expect(found.pairs).toBeGreaterThan(100);
    if (noise > 40) expect(found.equal).toBeGreaterThan(0);
  });

  it('reads no more rows than it may', async () => {
    const made = grow(config, name, 50, 'bfloat16');
    const bits = toBits(applyInFloat32(made.source, made.plan, made.recipe), 'bfloat16');
    const all = await countIn(made, bits);
    const some = await countIn(made, bits, 4);
    expect(some.pairs).toBeLessThan(all.pairs / 2);
    expect(some.pairs).toBeGreaterThan(0);
  });
});

describe('roundsNoise', () => {
  it('holds for weights with noise in a 16-bit type', () => {
    const plans = (['float32', 'bfloat16'] as const).map((dtype) =>
      grow(llama, 'gate_proj.weight', 3, dtype),
    );
    expect(plans.map(({ recipe }) => roundsNoise(recipe))).toEqual([false, true]);
    const norm = plans[1]!.plan.tensors.find(({ kind }) => kind === 'gain')!;
    expect(roundsNoise(norm)).toBe(false);
  });
});

describe('countMergedCopies', () => {
  it('counts further copies that differ from the first and are rounded to it', () => {
    const { plan } = grow(llama, 'gate_proj.weight', 3, 'bfloat16');
    const copied = findAllCopies([plan]).get('model.norm.weight')!;
    const width = plan.from['hidden']!;
    const values = new Float32Array(2 * width).fill(1);
    values[width] = 1 + 2 ** -12; // rounded to 1
    values[width + 1] = 1.5;
    expect(countMergedCopies(copied, values, toBits(values, 'bfloat16'))).toEqual({ pairs: 2, equal: 1 });
  });
});

describe('describeEqualCopies', () => {
  it('says how many of how many, and nothing about none', () => {
    const describe = (equal: number, isSample = false): string | undefined =>
      describeEqualCopies({ pairs: 1000, equal }, 'bfloat16', { isSample });
    expect(describe(0)).toBeUndefined();
    expect(describe(123)).toMatch(/^12 % of the copies .* equal in bfloat16 \(123 of 1000 pairs\)/);
    expect(describe(12, true)).toContain('1.2 % of the copies');
    expect(describe(12, true)).toContain('in a sample of rows');
  });
});
