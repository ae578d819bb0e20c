/**
 * @file Negative controls: without a factor, a fill or an order that docs/methods.md asks for, the logits change.
 * They show that the tests of exactness would notice.
 */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { pad } from '../../../src-main/tensor/axis-map.ts';
import {
  breakAndMeasure,
  keepBiases,
  reasons,
  withoutFactor,
  zerosForMeans,
  type RecipeChange,
} from '../break-plan.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

const llamaWidth = 12;
const llamaHeadDim = 4;

/** Draws new entries with a large std; those of `o_proj` are zero if `zeroOutputs`. */
const drawNewEntries =
  (zeroOutputs: boolean): RecipeChange =>
  (recipe) => {
    const fill = zeroOutputs && recipe.name.includes('o_proj') ? 'zero' : 'draw';
    const fills = Object.fromEntries(Object.keys(recipe.fills).map((axis) => [axis, fill]));
    return { ...recipe, std: 0.5, fills };
  };

/** The grown weights with those whose name contains `part` replaced. */
function replaceWeights(
  weights: ReadonlyMap<string, Float64Array>,
  part: string,
  replace: (values: Float64Array, name: string) => Float64Array,
): ReadonlyMap<string, Float64Array> {
  return new Map(
    [...weights].map(([name, values]) => [name, name.includes(part) ? replace(values, name) : values]),
  );
}

describe('expand changes the logits', () => {
  it.each([
    ['llama', llama, 18],
    ['gpt2', gpt2, 20],
  ] as const)('of %s if the gains do not undo the scaled stream', (_, config, hidden) => {
    const change = withoutFactor(reasons.undoneStreamScale);
    expect(breakAndMeasure(config, makeRequest('expand', { hidden }), change)).toBeGreaterThan(0.05);
  });

  it('if only the gains are scaled, and neither the stream nor eps', () => {
    const config = { ...llama, tie_word_embeddings: false };
    const withoutStream = withoutFactor(reasons.streamScale);
    const withoutHead = withoutFactor(reasons.tiedHead);
    const change = breakAndMeasure(config, makeRequest('expand', { hidden: 18 }), (recipe) =>
      recipe.kind === 'gain' ? recipe : withoutHead(withoutStream(recipe)),
    );
    expect(change).toBeGreaterThan(1e-4);
  });

  it('if new entries under a LayerNorm are zeros instead of means', () => {
    const request = makeRequest('expand', { hidden: 20 });
    expect(breakAndMeasure(gpt2, request, zerosForMeans)).toBeGreaterThan(0.05);
  });

  it('if new rows of weights that write to the stream are random', () => {
    const request = makeRequest('expand', { hidden: 18 });
    expect(breakAndMeasure(llama, request, drawNewEntries(false))).toBeGreaterThan(0.05);
  });

  it.each([
    ['llama', llama, 18],
    ['gpt2', gpt2, 20],
  ] as const)('of %s if gains are scaled and eps is not', (_, config, hidden) => {
    const source = makeTinyModel(config);
    const plan = planGrowth(source, makeRequest('expand', { hidden }, { eps: 'scale' }));
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const key = Object.keys(config).find((name) => name.includes('eps'))!;
    const oldEps = { ...plan.config, [key]: config[key]! };
    const grown = growWeights(plan, source.weights);
    expect(maxLogitChange(source, plan, grown, oldEps)).toBeGreaterThan(1e-5);
  });

  it('if query heads are appended, and the old ones are not moved to their key and value head', () => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest('expand', { group: 6 }));
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const oldColumns = 6 * llamaHeadDim;
    const newColumns = 12 * llamaHeadDim;
    const withQueries = replaceWeights(growWeights(plan, source.weights), 'q_proj', (values, name) => {
      const appended = values.slice();
      appended.set(source.weights.get(name)!.subarray(0, oldColumns * llamaWidth));
      return appended;
    });
    const appended = replaceWeights(withQueries, 'o_proj', (values, name) =>
      values.map((_, i) => {
        const row = Math.floor(i / newColumns);
        const column = i % newColumns;
        return column < oldColumns ? source.weights.get(name)![row * oldColumns + column]! : 0;
      }),
    );
    expect(maxLogitChange(source, plan, appended)).toBeGreaterThan(0.01);
  });

  it('if new entries of RoPE heads are appended instead of scattered', () => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest('expand', { head_dim: 8 }));
    const appended = { ...plan, maps: { head_dim: pad(4, 8) } };
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const grown = growWeights(appended, source.weights);
    expect(maxLogitChange(source, appended, grown)).toBeGreaterThan(0.01);
  });

  it('if new entries of keys are not zero, or old ones are not rescaled', () => {
    const request = makeRequest('expand', { head_dim: 8 });
    expect(breakAndMeasure(llama, request, drawNewEntries(true))).toBeGreaterThan(0.01);
    expect(breakAndMeasure(llama, request, withoutFactor(reasons.scores))).toBeGreaterThan(0.01);
    const withoutPartFills: RecipeChange = (recipe) => ({ ...recipe, std: 0.5, partFills: [] });
    const fused = makeRequest('expand', { hidden: 18, heads: 3 });
    expect(breakAndMeasure(gpt2, fused, withoutPartFills)).toBeGreaterThan(0.01);
  });
});

describe('hypercloning changes the logits', () => {
  it.each(Object.entries({ llama, gpt2 }))('of %s if nothing compensates for its tied head', (_, config) => {
    const request = makeRequest('hypercloning', { hidden: 24 });
    expect(breakAndMeasure(config, request, withoutFactor(reasons.tiedHead))).toBeGreaterThan(0.05);
  });

  it('if weights that read copies are not divided', () => {
    const change = withoutFactor(`${reasons.equalCopies} hidden`);
    expect(breakAndMeasure(llama, makeRequest('hypercloning', { hidden: 24 }), change)).toBeGreaterThan(0.05);
  });

  it('if heads are larger, and queries and keys have no factor', () => {
    const request = makeRequest('hypercloning', { hidden: 24, heads: 3 });
    expect(breakAndMeasure(gpt2, request, withoutFactor(reasons.scores))).toBeGreaterThan(1e-3);
  });

  it('if query heads are repeated as a block, while key and value heads stay', () => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest('hypercloning', { group: 6 }, { noise: null }));
    const kvHeads = 2;
    const group = 3;
    const copies = 2;
    // The position in the plan's order of each head in the order that repeats the whole block.
    const order = Array.from({ length: kvHeads * group * copies }, (_, position) => {
      const copy = Math.floor(position / (kvHeads * group));
      const head = position % (kvHeads * group);
      return Math.floor(head / group) * group * copies + copy * group + (head % group);
    });
    const headSize = llamaHeadDim * llamaWidth;
    const columns = order.length * llamaHeadDim;
    const withQueries = replaceWeights(growWeights(plan, source.weights), 'q_proj', (values) =>
      values.map((_, i) => values[order[Math.floor(i / headSize)]! * headSize + (i % headSize)]!),
    );
    const blockwise = replaceWeights(withQueries, 'o_proj', (values) =>
      values.map((_, i) => {
        const row = Math.floor(i / columns);
        const column = i % columns;
        const head = order[Math.floor(column / llamaHeadDim)]!;
        return values[row * columns + head * llamaHeadDim + (column % llamaHeadDim)]!;
      }),
    );
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    expect(maxLogitChange(source, plan, blockwise)).toBeGreaterThan(0.01);
  });

  it('if the random terms of a projection do not sum to zero', () => {
    const source = makeTinyModel(llama);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }, { break: 'projection' }));
    const broken = replaceWeights(growWeights(plan, source.weights), 'up_proj', (values) =>
      values.map((value, i) => (i % 24 < 12 ? value + 0.02 : value)),
    );
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    expect(maxLogitChange(source, plan, broken)).toBeGreaterThan(1e-3);
  });
});

describe('net2net changes the logits', () => {
  it('if uneven copies are not divided', () => {
    const change = withoutFactor(reasons.unevenCopies);
    expect(breakAndMeasure(llama, makeRequest('net2net', { ffn: 27 }), change)).toBeGreaterThan(0.01);
  });

  it('if the output projection copies other heads than the queries, keys and values', () => {
    const source = makeTinyModel(llama);
    const to = { kv_heads: 3, group: 4 };
    const plan = planGrowth(source, makeRequest('net2net', to));
    const otherSeed = planGrowth(source, makeRequest('net2net', to, {}, 8));
    const other = growWeights(otherSeed, source.weights);
    const mixed = replaceWeights(growWeights(plan, source.weights), 'o_proj', (_, name) => other.get(name)!);
    expect(maxLogitChange(source, plan, mixed)).toBeGreaterThan(0.01);
  });
});

describe('identity', () => {
  it('changes the logits if the biases of new layers are kept', () => {
    const biased = { ...llama, attention_bias: true, mlp_bias: true };
    const request = makeRequest('identity', { layers: 4 });
    expect(breakAndMeasure(biased, request, keepBiases)).toBeGreaterThan(0.05);
    const keepAll: RecipeChange = (recipe) => ({ ...recipe, zeroOutput: false });
    expect(breakAndMeasure(gpt2, request, keepAll)).toBeGreaterThan(0.05);
  });

  it('changes no bit of the logits if it is not broken', () => {
    const source = makeTinyModel(llama);
    expect(maxLogitChange(source, planGrowth(source, makeRequest('identity', { layers: 3 })))).toBe(0);
  });
});
