/**
 * @file Recipes of several stages through the engine: one pass gives the chain's bytes, a saved plan gives
 * them again, and the certificate is of the whole.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { grow, writeGrown } from '../../src-main/engine/grow/grow-job.ts';
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';
import { factorsOf } from '../../src-main/engine/model/weights.ts';
import { applyChain, originsOf } from '../../src-main/growth/plan/chain.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import {
  checkSource,
  markOf,
  readPlan,
  savedPlan,
  type SavedPlan,
} from '../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint, readTensor } from '../../src-main/store/checkpoint/checkpoint.ts';
import { fingerprintOf } from '../../src-main/store/checkpoint/fingerprint.ts';
import { narrow, type WeightDType } from '../../src-main/tensor/dtype.ts';
import { refusal } from '../support/refusal.ts';
import { freePath, freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collected, damage, digests, quiet, valuesOf } from './workbench.ts';

const request = (
  method: string,
  to: GrowthRequest['to'],
  options: GrowthRequest['options'] = {},
): GrowthRequest => ({ method, to, options, seed: 11, dtype: 'keep' });
/**
 * Width with noise, units by FPI, depth by copies of layers, tokens: every kind of stage after every other.
 */
async function recipeFor(dir: string, more: Partial<GrowthRequest> = {}): Promise<SavedPlan> {
  const checkpoint = await openCheckpoint(dir);
  const { hidden, ffn, layers } = checkpoint.dims as Record<string, number>;
  const requests = [
    request('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
    request('aki', { ffn: 2 * ffn! + 7 }),
    request('stack', { layers: 2 * layers! }),
    { ...request('vocab', { vocab: checkpoint.dims['vocab']! + 3 }), ...more },
  ];
  return savedPlan(checkpoint.card, requests, await fingerprintOf(checkpoint));
}
const weights = (dir: string): Readonly<Record<string, string>> =>
  digests(dir, (path) => path.endsWith('.safetensors') || path === 'config.json');
const device = openDevice('cpu');
afterAll(async () => {
  await (await device).dispose();
});

describe.each(['gpt2', 'llama', 'gpt_neox', 'gemma2'])('%s', (id) => {
  it.each(['float32', 'bfloat16'] as const)(
    'one pass in blocks gives the bytes of the chain, %s',
    async (dtype: WeightDType) => {
      const source = await makeTinyCheckpoint(id, { dtype, shards: 2 });
      const plan = await recipeFor(source);
      const out = freePath('grown');
      await collected(
        writeGrown(await device, await openCheckpoint(source), plan, out, quiet, { blockBytes: 3000 }),
      );
      const grown = await openCheckpoint(out);
      const from = await openCheckpoint(source);
      expect(grown.dims).toEqual(plan.stages.at(-1)!.to);
      for (const { name } of plan.stages.at(-1)!.tensors) {
        const sources = new Map<string, Float32Array>();
        for (const origin of originsOf(plan.stages, name)) sources.set(origin, await valuesOf(from, origin));
        expect(
          Buffer.compare(
            await readTensor(grown, name),
            narrow(applyChain(plan.stages, name, sources), dtype),
          ),
          name,
        ).toBe(0);
      }
      expect(readdirSync(join(out, '..')), 'nothing is written between stages').toEqual(['grown']);
    },
  );

  it('a plan that was saved gives the same files, and its record holds it', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const plan = await recipeFor(source);
    const file = join(freshFolder(), 'plan.json');
    const [first, again] = [freePath('first'), freePath('again')];
    writeFileSync(file, JSON.stringify(plan));
    const done = (await collected(grow({ source, out: first, plan, device: 'cpu' }, quiet))).at(-1)!;
    await collected(
      grow(
        { source, out: again, plan: readPlan(JSON.parse(readFileSync(file, 'utf8')), file), device: 'cpu' },
        quiet,
      ),
    );
    expect(weights(again)).toEqual(weights(first));
    expect(done).toMatchObject({
      at: 'done',
      certificate: {
        promise: 'approximate',
        passed: true,
        stages: [
          { method: 'hypercloning', promise: 'exact' },
          { method: 'aki', promise: 'approximate' },
          { method: 'stack', promise: 'approximate' },
          { method: 'vocab' },
        ],
      },
    });
    expect((await openCheckpoint(again)).growth).toMatchObject({
      source,
      method: 'hypercloning + aki + stack + vocab',
      plan: JSON.parse(JSON.stringify(plan)) as object,
    });
    expect((await openCheckpoint(again)).card.grownFrom).toMatchObject({
      method: 'hypercloning + aki + stack + vocab',
    });
  });

  it('exact stages are proven exact together', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const { card } = await openCheckpoint(source);
    const out = freePath('grown');
    const { hidden, ffn, layers } = card.dims as Record<string, number>;
    const plan = savedPlan(
      card,
      [
        request('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
        request('identity', { layers: layers! + 1 }),
      ],
      null,
    );
    expect((await collected(grow({ source, out, plan, device: 'cpu' }, quiet))).at(-1)).toMatchObject({
      certificate: { promise: 'exact', passed: true },
    });
  });
});

/**
 * The processor, which answers to another device's name: what makes weights there is the graph, and not the
 * interpreter.
 */
async function disguised(kind: Device['kind']): Promise<Device> {
  const real = await device;
  return new Proxy(real, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      return name === 'kind' ? kind : typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

it.each([
  ['cuda', 'float32'],
  ['webgpu', 'float32'],
  ['webgpu', 'bfloat16'],
  ['webgpu', 'float16'],
] as const)(
  'a plan gives the same bytes by the graph of %s as by the interpreter, %s',
  async (kind, dtype) => {
    for (const id of ['gpt2', 'llama']) {
      const source = await makeTinyCheckpoint(id, { dtype });
      const plan = await recipeFor(source);
      const [here, there] = [freePath('here'), freePath('there')];
      await collected(
        writeGrown(await device, await openCheckpoint(source), plan, here, quiet, { blockBytes: 3000 }),
      );
      await collected(
        writeGrown(await disguised(kind), await openCheckpoint(source), plan, there, quiet, {
          blockBytes: 5000,
        }),
      );
      expect(weights(there)).toEqual(weights(here));
    }
  },
);

it('the print of the weights tells another state of the same model', async () => {
  const source = await makeTinyCheckpoint('llama');
  const plan = await recipeFor(source);
  const checkpoint = await openCheckpoint(source);
  checkSource(plan, markOf(checkpoint.card, await fingerprintOf(checkpoint)));
  await damage(source, 'model.norm.weight', 1e-3, 1);
  expect(
    (
      await refusal('growth/other-source', async () => {
        checkSource(plan, markOf(checkpoint.card, await fingerprintOf(checkpoint)));
      })
    ).message,
  ).toContain('fingerprint of the weights');
});

it('growing what was grown keeps the history, and its weights train at the product of all rates', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const [once, twice] = [freePath('once'), freePath('twice')];
  const doubled = async (dir: string): Promise<SavedPlan> => {
    const { card } = await openCheckpoint(dir);
    return savedPlan(
      card,
      request('hypercloning', { hidden: 2 * card.dims['hidden']!, ffn: 2 * card.dims['ffn']! }),
      null,
    );
  };
  await collected(grow({ source, out: once, plan: await doubled(source), device: 'cpu' }, quiet));
  await collected(grow({ source: once, out: twice, plan: await doubled(once), device: 'cpu' }, quiet));
  const grown = await openCheckpoint(twice);
  const name = 'model.layers.0.mlp.up_proj.weight';
  expect(grown.growth!.before).toHaveLength(1);
  expect(factorsOf(await openCheckpoint(once)).get(name)).toMatchObject({ rate: 1 / 2, gradient: 1 / 2 });
  expect(factorsOf(grown).get(name)).toMatchObject({
    rate: 1 / 4,
    gradient: 1 / 4,
    from: (await openCheckpoint(source)).refs.get(name)!.shape,
  });
});
