/** @file Rows computed by several threads equal the reference implementation bit for bit. */
import { afterAll, describe, expect, it } from 'vitest';
import { RowWorkers, type PreparedRows } from '../../../src-main/engine/grow/row-workers.ts';
import { writeGrownCheckpoint } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { canSplitIntoBlocks } from '../../../src-main/growth/apply/row-maker.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { downcast, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { makeRequest, makeTinyModel } from '../../growth/tiny-model.ts';
import { familyVariants } from '../../growth/variants/index.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, growthNamed, planFor, neverAborted } from '../workbench.ts';
import { expectReferenceWeights } from './reference.ts';

const createShared = (values: ArrayLike<number>): Float32Array => {
  const shared = new Float32Array(new SharedArrayBuffer(4 * values.length));
  shared.set(values);
  return shared;
};

const started: RowWorkers[] = [];
function startWorkers(...args: ConstructorParameters<typeof RowWorkers>): RowWorkers {
  const workers = new RowWorkers(...args);
  started.push(workers);
  return workers;
}
afterAll(async () => {
  await Promise.all(started.map((workers) => workers.dispose()));
});

async function readBlocks(workers: RowWorkers, rows: PreparedRows): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for await (const block of workers.blocks(rows)) blocks.push(block.slice());
  return Buffer.concat(blocks);
}

describe.each(
  Object.entries(familyVariants).filter(([title]) =>
    ['gpt2, tied', 'llama, tied, GQA', 'phi3', 'gemma3'].some((t) => title.startsWith(t)),
  ),
)('%s', (_, config) => {
  it.each(['hypercloning', 'expand', 'net2net', 'aki'] as const)('grows by %s', async (method) => {
    const source = makeTinyModel(config);
    const { dims } = source;
    const sizes =
      method === 'hypercloning' ? { hidden: 2 * dims['hidden']!, ffn: 3 * dims['ffn']! } : { ffn: 47 };
    const { maps, from, to, request, tensors } = planGrowth(source, makeRequest(method, sizes));
    const { seed } = request;
    const workers = startWorkers({ maps, from, to, seed }, 3, { blockBytes: 700, drawCount: 50 });
    let compared = 0;
    for (const [i, recipe] of tensors.entries()) {
      if (!canSplitIntoBlocks(recipe)) continue;
      const dtype = weightDTypes[i % 3]!;
      const valuesOf = (name: string): Float32Array => createShared(source.weights.get(name)!);
      const values = valuesOf(recipe.source);
      const second = recipe.second === undefined ? undefined : valuesOf(recipe.second);
      const rows = await workers.prepare({ ...recipe, dtype }, values, second);
      const expected = downcast(applyRecipe(recipe, maps, from, to, values, seed, second), dtype);
      expect(Buffer.compare(await readBlocks(workers, rows), expected), recipe.name).toBe(0);
      compared++;
    }
    expect(compared).toBeGreaterThan(3);
  });
});

const llama = makeTinyModel(familyVariants['llama, tied, GQA']!);

it('prepares a weight while the blocks of another are computed', async () => {
  const { maps, from, to, tensors } = planGrowth(llama, makeRequest('hypercloning', { hidden: 24, ffn: 40 }));
  const workers = startWorkers({ maps, from, to, seed: 7 }, 2, { blockBytes: 200, drawCount: 30 });
  const matrices = tensors.filter((t) => t.kind === 'linear' && t.to.length === 2);
  const values = new Map(matrices.map((t) => [t.name, createShared(llama.weights.get(t.source)!)]));
  const prepare = (i: number): Promise<PreparedRows> | undefined => {
    const recipe = matrices[i];
    return recipe && workers.prepare(recipe, values.get(recipe.name)!, undefined);
  };
  let next = prepare(0);
  for (const [i, recipe] of matrices.entries()) {
    const rows = (await next)!;
    next = prepare(i + 1);
    const expected = downcast(applyRecipe(recipe, maps, from, to, values.get(recipe.name)!, 7), 'float32');
    expect(Buffer.compare(await readBlocks(workers, rows), expected), recipe.name).toBe(0);
  }
});

it('refuses values that overflow the dtype, and still works after that and after an early stop', async () => {
  const { maps, from, to, tensors } = planGrowth(llama, makeRequest('hypercloning', { hidden: 24 }));
  const workers = startWorkers({ maps, from, to, seed: 1 }, 2, { blockBytes: 200 });
  const recipe = tensors.find((t) => t.name.endsWith('gate_proj.weight'))!;
  const large = createShared(llama.weights.get(recipe.source)!.map((v) => v * 1e6));
  const growAs = async (dtype: 'float16' | 'float32'): Promise<Buffer> =>
    readBlocks(workers, await workers.prepare({ ...recipe, dtype }, large, undefined));
  const { message } = await expectAppError('checkpoint/overflow', () => growAs('float16'));
  expect(message).toContain(recipe.name);
  for await (const block of workers.blocks(await workers.prepare(recipe, large, undefined))) {
    expect(block.byteLength).toBeGreaterThan(0);
    break;
  }
  expect((await growAs('float32')).byteLength).toBe(4 * 24 * 20);
});

it('detects a source value that is not finite at any position', async () => {
  const { maps, from, to, tensors } = planGrowth(llama, makeRequest('hypercloning', { hidden: 24 }));
  const workers = startWorkers({ maps, from, to, seed: 1 }, 2, { drawCount: 10 });
  const recipe = tensors.find((t) => t.name.endsWith('gate_proj.weight'))!;
  const finite = llama.weights.get(recipe.source)!;
  expect((await workers.prepare(recipe, createShared(finite), undefined)).isFinite).toBe(true);
  for (const position of [0, 41, finite.length - 1])
    for (const value of [Number.NaN, -Infinity]) {
      const values = createShared(finite);
      values[position] = value;
      expect((await workers.prepare(recipe, values, undefined)).isFinite).toBe(false);
      expect((await workers.prepare(recipe, createShared(finite), values)).isFinite).toBe(false);
    }
});

it('computes the large weights of a checkpoint', async () => {
  const source = await makeTinyCheckpoint('llama', {
    dims: { hidden: 512, ffn: 1024, vocab: 64, heads: 8, kv_heads: 8, group: 1, head_dim: 64, layers: 1 },
  });
  const out = freePath('grown');
  const plan = await planFor(source, growthNamed('hypercloning'));
  const isLarge = (shape: readonly number[]): boolean => shape.reduce((a, b) => a * b) >= 2 ** 21;
  expect(plan.tensors.some((t) => t.noise !== null && isLarge(t.to))).toBe(true);
  const device = await openDevice('cpu');
  await collect(writeGrownCheckpoint(device, await openCheckpoint(source), plan, out, neverAborted));
  await expectReferenceWeights(plan, source, out);
});
