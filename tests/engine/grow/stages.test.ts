/** @file Grows checkpoints by plans with several stages: in one pass, reproducibly, with one certificate. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { grow, writeGrownCheckpoint } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice, type Device } from '../../../src-main/engine/ort/device.ts';
import { readFactors } from '../../../src-main/engine/model/weights.ts';
import { applyStages } from '../../../src-main/growth/apply/apply-stages.ts';
import { listSourceWeights } from '../../../src-main/growth/plan/stages.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { checkSource } from '../../../src-main/growth/plan/check-source.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { describeSource, createSavedPlan, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { computeFingerprint } from '../../../src-main/store/checkpoint/fingerprint.ts';
import { downcast, type WeightDType } from '../../../src-main/tensor/dtype.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, addToWeight, digestFiles, neverAborted, readValues } from '../workbench.ts';

const request = (
  method: string,
  to: GrowthRequest['to'],
  options: GrowthRequest['options'] = {},
): GrowthRequest => ({ method, to, options, seed: 11, dtype: 'keep' });

/** Stages of each kind: width with noise, FFN with AKI, depth by copies of layers, vocabulary. */
async function planStages(dir: string): Promise<SavedPlan> {
  const checkpoint = await openCheckpoint(dir);
  const { hidden, ffn, layers, vocab } = checkpoint.dims as Record<string, number>;
  const requests = [
    request('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
    request('aki', { ffn: 2 * ffn! + 7 }),
    request('stack', { layers: 2 * layers! }),
    request('vocab', { vocab: vocab! + 3 }),
  ];
  return createSavedPlan(checkpoint.summary, requests, await computeFingerprint(checkpoint));
}

const digestWeights = (dir: string): Readonly<Record<string, string>> =>
  digestFiles(dir, (path) => path.endsWith('.safetensors') || path === 'config.json');

const device = openDevice('cpu');
afterAll(async () => {
  await (await device).dispose();
});

describe.each(['gpt2', 'llama', 'gpt_neox', 'gemma2'])('%s', (id) => {
  it.each(['float32', 'bfloat16'] as const)(
    'has the bytes of the stages applied one by one, %s',
    async (dtype: WeightDType) => {
      const source = await makeTinyCheckpoint(id, { dtype, shards: 2 });
      const from = await openCheckpoint(source);
      const plan = await planStages(source);
      const out = freePath('grown');
      const options = { blockBytes: 3000 };
      await collect(writeGrownCheckpoint(await device, from, plan, out, neverAborted, options));
      const grown = await openCheckpoint(out);
      expect(grown.dims).toEqual(plan.stages.at(-1)!.to);
      for (const { name } of plan.stages.at(-1)!.tensors) {
        const sources = new Map<string, Float32Array>();
        for (const origin of listSourceWeights(plan.stages, name))
          sources.set(origin, await readValues(from, origin));
        const expected = downcast(applyStages(plan.stages, name, sources), dtype);
        expect(Buffer.compare(await readTensor(grown, name), expected), name).toBe(0);
      }
      expect(readdirSync(join(out, '..')), 'nothing is written between stages').toEqual(['grown']);
    },
  );

  it('is grown to the same files by a saved plan, which growth.json contains', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const plan = await planStages(source);
    const file = join(freshFolder(), 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const savedPlan = readPlan(JSON.parse(readFileSync(file, 'utf8')), file);
    const first = freePath('first');
    const second = freePath('second');
    const events = await collect(grow({ source, out: first, plan, device: 'cpu' }, neverAborted));
    await collect(grow({ source, out: second, plan: savedPlan, device: 'cpu' }, neverAborted));
    expect(digestWeights(second)).toEqual(digestWeights(first));
    expect(events.at(-1)).toMatchObject({
      type: 'done',
      certificate: {
        promise: 'none',
        verdict: 'measured',
        stages: [
          { method: 'hypercloning', promise: 'function-preserving' },
          { method: 'aki', promise: 'none' },
          { method: 'stack', promise: 'none' },
          { method: 'vocab' },
        ],
      },
    });
    const grown = await openCheckpoint(second);
    expect(grown.growth).toMatchObject({
      source,
      method: 'hypercloning + aki + stack + vocab',
      plan: JSON.parse(JSON.stringify(plan)) as object,
    });
    expect(grown.summary.grownFrom).toMatchObject({ method: 'hypercloning + aki + stack + vocab' });
  });

  it('is certified as exact if every stage is', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const { summary } = await openCheckpoint(source);
    const { hidden, ffn, layers } = summary.dims as Record<string, number>;
    const requests = [
      request('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
      request('identity', { layers: layers! + 1 }),
    ];
    const plan = createSavedPlan(summary, requests, null);
    const out = freePath('grown');
    const events = await collect(grow({ source, out, plan, device: 'cpu' }, neverAborted));
    expect(events.at(-1)).toMatchObject({
      certificate: { promise: 'function-preserving', verdict: 'passed' },
    });
  });
});

/** Returns the CPU as a device of another kind, so that graphs compute the weights. */
async function disguiseCpu(kind: Device['kind']): Promise<Device> {
  return new Proxy(await device, {
    get: (target, name) => {
      if (name === 'kind') return kind;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

it.each([
  ['cuda', 'float32'],
  ['webgpu', 'float32'],
  ['webgpu', 'bfloat16'],
  ['webgpu', 'float16'],
] as const)('the graphs for %s produce the same bytes as the CPU, %s', async (kind, dtype) => {
  for (const id of ['gpt2', 'llama']) {
    const source = await makeTinyCheckpoint(id, { dtype });
    const plan = await planStages(source);
    const checkpoint = await openCheckpoint(source);
    const cpu = freePath('cpu');
    const gpu = freePath('gpu');
    await collect(
      writeGrownCheckpoint(await device, checkpoint, plan, cpu, neverAborted, { blockBytes: 3000 }),
    );
    await collect(
      writeGrownCheckpoint(await disguiseCpu(kind), checkpoint, plan, gpu, neverAborted, {
        blockBytes: 5000,
      }),
    );
    expect(digestWeights(gpu)).toEqual(digestWeights(cpu));
  }
});

it('a plan is refused for the same model with other weights', async () => {
  const source = await makeTinyCheckpoint('llama');
  const plan = await planStages(source);
  const checkpoint = await openCheckpoint(source);
  const check = async (): Promise<void> => {
    checkSource(plan, describeSource(checkpoint.summary, await computeFingerprint(checkpoint)));
  };
  await check();
  await addToWeight(source, 'model.norm.weight', 1e-3, 1);
  const { message } = await expectAppError('growth/other-source', check);
  expect(message).toContain('fingerprint of the weights');
});

it('a checkpoint that is grown twice keeps both plans and multiplies their learning rate factors', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const once = freePath('once');
  const twice = freePath('twice');
  const planDoubling = async (dir: string): Promise<SavedPlan> => {
    const { summary } = await openCheckpoint(dir);
    const { hidden, ffn } = summary.dims as Record<string, number>;
    return createSavedPlan(summary, request('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }), null);
  };
  await collect(grow({ source, out: once, plan: await planDoubling(source), device: 'cpu' }, neverAborted));
  await collect(
    grow({ source: once, out: twice, plan: await planDoubling(once), device: 'cpu' }, neverAborted),
  );
  const grown = await openCheckpoint(twice);
  const name = 'model.layers.0.mlp.up_proj.weight';
  expect(grown.growth!.before).toHaveLength(1);
  expect(readFactors(await openCheckpoint(once)).get(name)).toMatchObject({
    lrScale: 1 / 2,
    gradScale: 1 / 2,
  });
  expect(readFactors(grown).get(name)).toMatchObject({
    lrScale: 1 / 4,
    gradScale: 1 / 4,
    from: (await openCheckpoint(source)).tensors.get(name)!.shape,
  });
});
