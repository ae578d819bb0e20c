/** @file Rows made by several threads are the interpreter's, bit for bit, however the work is cut. */
import { afterAll, describe, expect, it } from 'vitest';
import { RowWorkers } from '../../../src-main/engine/grow/row-workers.ts';
import { writeGrown } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { inPieces } from '../../../src-main/growth/apply/rows.ts';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { narrow, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { ask, shapes, tiny } from '../../growth/tiny.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collected, growthBy, planned, quiet, valuesOf } from '../workbench.ts';

const shared = (values: ArrayLike<number>): Float32Array => {
  const out = new Float32Array(new SharedArrayBuffer(4 * values.length));
  out.set(values);
  return out;
};
const open: RowWorkers[] = [];
afterAll(async () => {
  await Promise.all(open.map((workers) => workers.dispose()));
});

describe.each(
  Object.entries(shapes).filter(([title]) =>
    ['gpt2 tied', 'llama tied, grouped', 'phi3', 'gemma3'].some((t) => title.startsWith(t)),
  ),
)('%s', (_, config) => {
  it.each(['hypercloning', 'expand', 'net2net', 'aki'] as const)('%s: as the interpreter', async (method) => {
    const source = tiny(config);
    const { dims } = source;
    const to =
      method === 'hypercloning' ? { hidden: 2 * dims['hidden']!, ffn: 3 * dims['ffn']! } : { ffn: 47 };
    const plan = planGrowth(source, ask(method, to));
    const {
      maps,
      from,
      request: { seed },
    } = plan;
    const workers = new RowWorkers({ maps, from, to: plan.to, seed }, 3, { blockBytes: 700, numbers: 50 });
    open.push(workers);
    let made = 0;
    for (const [i, recipe] of plan.tensors.entries()) {
      if (!inPieces(recipe)) continue;
      const dtype = weightDTypes[i % 3]!;
      const values = (name: string): Float32Array => shared(source.weights.get(name)!);
      const blocks: Uint8Array[] = [];
      const second = recipe.second === undefined ? undefined : values(recipe.second);
      for await (const block of workers.blocks(
        await workers.prepare({ ...recipe, dtype }, values(recipe.source), second),
      ))
        blocks.push(block.slice());
      expect(
        Buffer.compare(
          Buffer.concat(blocks),
          narrow(applyRecipe(recipe, maps, from, plan.to, values(recipe.source), seed, second), dtype),
        ),
        recipe.name,
      ).toBe(0);
      made++;
    }
    expect(made).toBeGreaterThan(3);
  });
});

it('one weight may be made ready while another is made', async () => {
  const source = tiny(shapes['llama tied, grouped']!);
  const plan = planGrowth(source, ask('hypercloning', { hidden: 24, ffn: 40 }));
  const { maps, from, to } = plan;
  const workers = new RowWorkers({ maps, from, to, seed: 7 }, 2, { blockBytes: 200, numbers: 30 });
  open.push(workers);
  const large = plan.tensors.filter((t) => t.kind === 'linear' && t.to.length === 2);
  const values = new Map(large.map((t) => [t.name, shared(source.weights.get(t.source)!)]));
  const prepared = (i: number): ReturnType<RowWorkers['prepare']> | undefined => {
    const t = large[i];
    return t && workers.prepare(t, values.get(t.name)!, undefined);
  };
  let next = prepared(0);
  for (const [i, recipe] of large.entries()) {
    const ready = (await next)!;
    const blocks: Uint8Array[] = [];
    next = prepared(i + 1);
    for await (const block of workers.blocks(ready)) blocks.push(block.slice());
    expect(
      Buffer.compare(
        Buffer.concat(blocks),
        narrow(applyRecipe(recipe, maps, from, to, values.get(recipe.name)!, 7), 'float32'),
      ),
      recipe.name,
    ).toBe(0);
  }
});

it('values that do not fit, and a reader who leaves', async () => {
  const source = tiny(shapes['llama tied, grouped']!);
  const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }));
  const { maps, from, to } = plan;
  const workers = new RowWorkers({ maps, from, to, seed: 1 }, 2, { blockBytes: 200 });
  open.push(workers);
  const recipe = plan.tensors.find((t) => t.name.endsWith('gate_proj.weight'))!;
  const large = shared(source.weights.get(recipe.source)!.map((v) => v * 1e6));
  const all = async (dtype: 'float16' | 'float32'): Promise<number> => {
    let bytes = 0;
    for await (const block of workers.blocks(await workers.prepare({ ...recipe, dtype }, large, undefined)))
      bytes += block.byteLength;
    return bytes;
  };
  expect((await refusal('checkpoint/overflow', () => all('float16'))).message).toContain(recipe.name);
  for await (const block of workers.blocks(await workers.prepare(recipe, large, undefined))) {
    expect(block.byteLength).toBeGreaterThan(0);
    break;
  }
  expect(await all('float32')).toBe(4 * 24 * 20);
});

it('a source that is not finite is found wherever it stands', async () => {
  const source = tiny(shapes['llama tied, grouped']!);
  const plan = planGrowth(source, ask('hypercloning', { hidden: 24 }));
  const { maps, from, to } = plan;
  const workers = new RowWorkers({ maps, from, to, seed: 1 }, 2, { numbers: 10 });
  open.push(workers);
  const recipe = plan.tensors.find((t) => t.name.endsWith('gate_proj.weight'))!;
  const good = source.weights.get(recipe.source)!;
  expect((await workers.prepare(recipe, shared(good), undefined)).finite).toBe(true);
  for (const at of [0, 41, good.length - 1])
    for (const bad of [Number.NaN, -Infinity]) {
      const values = shared(good);
      values[at] = bad;
      expect((await workers.prepare(recipe, values, undefined)).finite).toBe(false);
      expect((await workers.prepare(recipe, shared(good), values)).finite).toBe(false);
    }
});

it('weights large enough are made by them within a growth', async () => {
  const source = await makeTinyCheckpoint('llama', {
    dims: { hidden: 512, ffn: 1024, vocab: 64, heads: 8, kv_heads: 8, group: 1, head_dim: 64, layers: 1 },
  });
  const out = freePath('grown');
  const plan = await planned(source, growthBy('hypercloning'));
  expect(plan.tensors.some((t) => t.noise !== null && t.to.reduce((a, b) => a * b) >= 2 ** 21)).toBe(true);
  await collected(writeGrown(await openDevice('cpu'), await openCheckpoint(source), plan, out, quiet));
  const grown = await openCheckpoint(out);
  const from = await openCheckpoint(source);
  for (const recipe of plan.tensors)
    expect(
      Buffer.compare(
        await readTensor(grown, recipe.name),
        narrow(
          applyRecipe(
            recipe,
            plan.maps,
            plan.from,
            plan.to,
            await valuesOf(from, recipe.source),
            plan.request.seed,
          ),
          'float32',
        ),
      ),
      recipe.name,
    ).toBe(0);
});
