/** @file The graph of a recipe, run by ONNX Runtime on the CPU, gives the bits of the interpreter. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import {
  buildGrowthFeeds,
  buildGrowthGraph,
  computeGraphAdditions,
  computeGraphKey,
  countRows,
} from '../../../src-main/growth/apply/device-graph.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { createGraphRunner } from '../../support/run-graph.ts';
import { makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { gemma3, gpt2, llama, olmo2, phi3, qwen2 } from '../variants/index.ts';
import { applyInFloat32, readFloat32 } from './apply-to.ts';

type Session = Awaited<ReturnType<typeof createGraphRunner>>;

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** The weight that a recipe makes, computed by graphs of at most `blockRows` rows; one session per graph key. */
async function runOnDevice(
  sessions: Map<string, Session>,
  source: TinyModel,
  plan: GrowthPlan,
  recipe: TensorRecipe,
  blockRows: number,
): Promise<Float32Array> {
  const { maps, from, to } = plan;
  const { seed } = plan.request;
  const values = readFloat32(source, recipe.source);
  const second = readFloat32(source, recipe.second);
  const additions = computeGraphAdditions(recipe, maps, from, to, values, seed);
  const rowCount = countRows(recipe);
  const out = new Float32Array(recipe.to.reduce((product, size) => product * size, 1));
  for (let start = 0; start < rowCount; start += blockRows) {
    const rows = Math.min(blockRows, rowCount - start);
    const key = computeGraphKey(recipe, maps, 'float32', rows)!;
    if (!sessions.has(key)) {
      const graph = buildGrowthGraph(recipe, maps, from, to, 'float32', rows);
      sessions.set(key, await createGraphRunner(graph));
    }
    const block = { at: start, rows };
    const feeds = buildGrowthFeeds(recipe, maps, from, to, values, seed, block, additions);
    const arrays = Object.entries(feeds).map(([name, feed]) => [name, feed.data] as const);
    const { grown } = await sessions.get(key)!({
      source: values,
      ...(second ? { second } : {}),
      ...Object.fromEntries(arrays),
    });
    out.set(grown!, (start * out.length) / rowCount);
  }
  return out;
}

type Request = Parameters<typeof makeRequest>;
// One request a line; each takes another way through the graph.
// prettier-ignore
const requests: readonly (readonly [string, JsonObject, Request])[] = [
  ['hypercloning with noise, GQA', llama, ['hypercloning', { hidden: 24, ffn: 60 }]],
  ['hypercloning, diagonal', llama, ['hypercloning', { hidden: 36, ffn: 40 }, { variant: 'diagonal' }]],
  ['hypercloning without noise, fused', gpt2, ['hypercloning', { hidden: 24, ffn: 40 }, { noise: null }]],
  ['hypercloning, larger heads', gpt2, ['hypercloning', { hidden: 24, heads: 3 }]],
  ['hypercloning, diagonal, fused', gpt2, ['hypercloning', { hidden: 24, ffn: 40 }, { variant: 'diagonal', noise: null }]],
  ['expand, GQA', llama, ['expand', { hidden: 18, ffn: 27, kv_heads: 3, group: 3 }]],
  ['expand, LayerNorm', gpt2, ['expand', { hidden: 20, ffn: 27 }]],
  ['expand, larger heads, fused', gpt2, ['expand', { hidden: 18, heads: 3 }]],
  ['expand, scattered pairs', llama, ['expand', { head_dim: 8 }]],
  ['expand, scaled eps', llama, ['expand', { hidden: 18 }, { eps: 'scale' }]],
  ['clone-pad', llama, ['clone-pad', { hidden: 30, ffn: 50 }]],
  ['projection', llama, ['clone-pad', { hidden: 30, ffn: 50 }, { break: 'projection' }]],
  ['projection, fused, diagonal', gpt2, ['hypercloning', { hidden: 24, ffn: 40 }, { break: 'projection', variant: 'diagonal' }]],
  ['uneven copies with noise', llama, ['net2net', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['uneven copies, stored [in, out]', gpt2, ['net2net', { ffn: 51 }, { break: 'projection' }]],
  ['fused entries of unequal size, noise', phi3, ['hypercloning', { hidden: 24, ffn: 40 }]],
  ['fused entries of unequal size, diagonal', phi3, ['hypercloning', { hidden: 36, group: 6, kv_heads: 2 }, { variant: 'diagonal', noise: null }]],
  ['fused entries of unequal size, padded', phi3, ['expand', { hidden: 24, ffn: 27, kv_heads: 3, group: 4 }]],
  ['fused entries of unequal size, uneven copies', phi3, ['net2net', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['gains stored minus one, scaled embeddings', gemma3, ['clone-pad', { hidden: 30, ffn: 50 }]],
  ['norms over all heads', olmo2, ['expand', { hidden: 24, kv_heads: 2, group: 4 }]],
  ['aki', llama, ['aki', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['aki, stored [in, out]', gpt2, ['aki', { ffn: 47 }]],
  ['shrink-perturb', gpt2, ['shrink-perturb', { hidden: 20, ffn: 27 }]],
  ['vocab', llama, ['vocab', { vocab: 31 }]],
  ['vocab, drawn rows', gpt2, ['vocab', { vocab: 31 }, { rows: 'draw' }]],
  ['identity', gpt2, ['identity', { layers: 4 }]],
  ['upcycle', llama, ['upcycle', {}, { experts: 3 }]],
  ['upcycle, slices and a shared expert', qwen2, ['upcycle', {}, { experts: 8, shards: 4, active: 4 }]],
];

describe.each(requests)('%s', (_, config, request) => {
  const source = makeTinyModel(config);
  const plan = planGrowth(source, makeRequest(...request));

  it.each([
    ['a whole weight at once', 1e9],
    ['blocks of five rows', 5],
  ])('gives the same bits in %s', async (__, most) => {
    const sessions = new Map<string, Session>();
    for (const recipe of plan.tensors) {
      const expected = applyInFloat32(source, plan, recipe);
      if (recipe.zeroOutput) {
        expect(computeGraphKey(recipe, plan.maps, 'float32', 1)).toBeNull();
        expect(expected.every((value) => value === 0)).toBe(true);
        continue;
      }
      const blockRows = Math.min(most, countRows(recipe));
      const actual = await runOnDevice(sessions, source, plan, recipe, blockRows);
      expect(bitsOf(actual), recipe.name).toEqual(bitsOf(expected));
    }
    if (most > 5) expect(sessions.size).toBeLessThan(plan.tensors.length);
  });
});

it('a gain that is stored minus one gets the same bits', async () => {
  const source = makeTinyModel(llama);
  const plan = planGrowth(source, makeRequest('expand', { hidden: 18 }));
  const recipe = { ...plan.tensors.find(({ kind }) => kind === 'gain')!, offset: 1 };
  const actual = await runOnDevice(new Map(), source, plan, recipe, 1);
  expect(bitsOf(actual)).toEqual(bitsOf(applyInFloat32(source, plan, recipe)));
});

it('weights of all layers share sessions', () => {
  const plan = planGrowth(makeTinyModel(llama), makeRequest('hypercloning', { hidden: 24 }));
  const keyOf = (recipe: TensorRecipe): string | null =>
    computeGraphKey(recipe, plan.maps, 'bfloat16', countRows(recipe));
  const keysOfLayer = (layer: number): readonly (string | null)[] =>
    plan.tensors.filter(({ name }) => name.includes(`.${layer}.`)).map(keyOf);
  expect(keysOfLayer(0)).toEqual(keysOfLayer(1));
  expect(new Set(plan.tensors.map(keyOf)).size).toBeLessThan(8);
});
