/** @file The graph of a recipe, on ONNX Runtime's CPU provider, gives the interpreter's bits. */
import { describe, expect, it } from 'vitest';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import {
  computeGraphAdditions,
  buildGrowthFeeds,
  buildGrowthGraph,
  computeGraphKey,
  countRows,
} from '../../../src-main/growth/apply/device-graph.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { createGraphRunner, type Feed } from '../../support/run-graph.ts';
import { qwen2 } from '../variants/index.ts';
import { gemma3, olmo2, phi3 } from '../variants/index.ts';
import { makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

type Run = Awaited<ReturnType<typeof createGraphRunner>>;
const bits = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

async function onDevice(
  sessions: Map<string, Run>,
  source: TinyModel,
  plan: GrowthPlan,
  recipe: TensorRecipe,
  rows: number,
): Promise<Float32Array> {
  const values = Float32Array.from(source.weights.get(recipe.source)!);
  const out = new Float32Array(recipe.to.reduce((a, b) => a * b, 1));
  const width = out.length / countRows(recipe);
  const additions = computeGraphAdditions(recipe, plan.maps, plan.from, plan.to, values, plan.request.seed);
  for (let at = 0; at < countRows(recipe); at += rows) {
    const count = Math.min(rows, countRows(recipe) - at);
    const key = computeGraphKey(recipe, plan.maps, 'float32', count)!;
    if (!sessions.has(key))
      sessions.set(
        key,
        await createGraphRunner(buildGrowthGraph(recipe, plan.maps, plan.from, plan.to, 'float32', count)),
      );
    const feeds = buildGrowthFeeds(
      recipe,
      plan.maps,
      plan.from,
      plan.to,
      values,
      plan.request.seed,
      { at, rows: count },
      additions,
    );
    const second =
      recipe.second === undefined ? {} : { second: Float32Array.from(source.weights.get(recipe.second)!) };
    const { grown } = await sessions.get(key)!({
      source: values,
      ...second,
      ...Object.fromEntries(Object.entries(feeds).map(([name, feed]): [string, Feed] => [name, feed.data])),
    });
    out.set(grown!, at * width);
  }
  return out;
}

const wishes: readonly (readonly [string, object, Parameters<typeof makeRequest>])[] = [
  ['hypercloning, noise, grouped', llama, ['hypercloning', { hidden: 24, ffn: 60 }]],
  ['hypercloning, diagonal', llama, ['hypercloning', { hidden: 36, ffn: 40 }, { variant: 'diagonal' }]],
  ['hypercloning, plain, fused', gpt2, ['hypercloning', { hidden: 24, ffn: 40 }, { noise: null }]],
  ['hypercloning, wider heads', gpt2, ['hypercloning', { hidden: 24, heads: 3 }]],
  [
    'hypercloning, diagonal, fused',
    gpt2,
    ['hypercloning', { hidden: 24, ffn: 40 }, { variant: 'diagonal', noise: null }],
  ],
  ['expand, grouped', llama, ['expand', { hidden: 18, ffn: 27, kv_heads: 3, group: 3 }]],
  ['expand, layer norm', gpt2, ['expand', { hidden: 20, ffn: 27 }]],
  ['expand, wider heads, fused', gpt2, ['expand', { hidden: 18, heads: 3 }]],
  ['expand, scattered pairs', llama, ['expand', { head_dim: 8 }]],
  ['expand, eps scaled', llama, ['expand', { hidden: 18 }, { eps: 'scale' }]],
  ['clone and pad', llama, ['clone-pad', { hidden: 30, ffn: 50 }]],
  ['projection', llama, ['clone-pad', { hidden: 30, ffn: 50 }, { break: 'projection' }]],
  [
    'projection, fused, diagonal',
    gpt2,
    ['hypercloning', { hidden: 24, ffn: 40 }, { break: 'projection', variant: 'diagonal' }],
  ],
  ['uneven copies with noise', llama, ['net2net', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['uneven copies, stored [in, out]', gpt2, ['net2net', { ffn: 51 }, { break: 'projection' }]],
  ['entries of unequal form, noise', phi3, ['hypercloning', { hidden: 24, ffn: 40 }]],
  [
    'entries of unequal form, diagonal',
    phi3,
    ['hypercloning', { hidden: 36, group: 6, kv_heads: 2 }, { variant: 'diagonal', noise: null }],
  ],
  ['entries of unequal form, padded', phi3, ['expand', { hidden: 24, ffn: 27, kv_heads: 3, group: 4 }]],
  ['entries of unequal form, uneven', phi3, ['net2net', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['offset gains, scaled tables', gemma3, ['clone-pad', { hidden: 30, ffn: 50 }]],
  ['a norm over heads', olmo2, ['expand', { hidden: 24, kv_heads: 2, group: 4 }]],
  ['the next layer', llama, ['aki', { ffn: 33, kv_heads: 3, group: 4 }]],
  ['the next layer, stored [in, out]', gpt2, ['aki', { ffn: 47 }]],
  ['perturbed', gpt2, ['shrink-perturb', { hidden: 20, ffn: 27 }]],
  ['more tokens', llama, ['vocab', { vocab: 31 }]],
  ['more tokens, drawn', gpt2, ['vocab', { vocab: 31 }, { rows: 'draw' }]],
  ['identity', gpt2, ['identity', { layers: 4 }]],
  ['experts', llama, ['upcycle', {}, { experts: 3 }]],
  ['slices of experts, one shared', qwen2, ['upcycle', {}, { experts: 8, shards: 4, active: 4 }]],
];

describe.each(wishes)('%s', (_, config, request) => {
  const source = makeTinyModel(config as typeof llama);
  const plan = planGrowth(source, makeRequest(...request));
  it.each([
    ['whole', 1e9],
    ['in blocks of five rows', 5],
  ])('%s: bit for bit', async (__, most) => {
    const sessions = new Map<string, Run>();
    for (const recipe of plan.tensors) {
      const reference = applyRecipe(
        recipe,
        plan.maps,
        plan.from,
        plan.to,
        Float32Array.from(source.weights.get(recipe.source)!),
        plan.request.seed,
        recipe.second === undefined ? undefined : Float32Array.from(source.weights.get(recipe.second)!),
      );
      if (recipe.zeroOutput) {
        expect(computeGraphKey(recipe, plan.maps, 'float32', 1)).toBeNull();
        expect(reference.every((v) => v === 0)).toBe(true);
        continue;
      }
      const found = await onDevice(sessions, source, plan, recipe, Math.min(most, countRows(recipe)));
      expect([recipe.name, bits(found)]).toEqual([recipe.name, bits(reference)]);
    }
    if (most > 5) expect(sessions.size).toBeLessThan(plan.tensors.length);
  });
});

it('an offset gain too', async () => {
  const source = makeTinyModel(llama);
  const plan = planGrowth(source, makeRequest('expand', { hidden: 18 }));
  const recipe = { ...plan.tensors.find((t) => t.kind === 'gain')!, offset: 1 };
  const found = await onDevice(new Map(), source, plan, recipe, 1);
  expect(bits(found)).toEqual(
    bits(
      applyRecipe(
        recipe,
        plan.maps,
        plan.from,
        plan.to,
        Float32Array.from(source.weights.get(recipe.source)!),
        7,
      ),
    ),
  );
});

it('layers share sessions', () => {
  const plan = planGrowth(makeTinyModel(llama), makeRequest('hypercloning', { hidden: 24 }));
  const keys = (layer: number): readonly (string | null)[] =>
    plan.tensors
      .filter((t) => t.name.includes(`.${layer}.`))
      .map((t) => computeGraphKey(t, plan.maps, 'bfloat16', countRows(t)));
  expect(keys(0)).toEqual(keys(1));
  expect(
    new Set(plan.tensors.map((t) => computeGraphKey(t, plan.maps, 'bfloat16', countRows(t)))).size,
  ).toBeLessThan(8);
});
