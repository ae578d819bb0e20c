/**
 * @file Jobs of the engine on an accelerator: their results agree with those of the CPU within float32, and
 * their events name the device that ran them.
 */
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../src-main/base/signals.ts';
import type { DeviceKind } from '../../src-main/base/device.ts';
import type { EvaluateEvent, ExportEvent, GrowEvent, RunEvent } from '../../src-main/contract/schema.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { evaluate } from '../../src-main/engine/infer/evaluate-job.ts';
import { sample } from '../../src-main/engine/infer/sample-job.ts';
import { findAdapter } from '../../src-main/engine/ort/adapters.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { applyRecipe } from '../../src-main/growth/apply/apply.ts';
import { families } from '../../src-main/model/families/index.ts';
import { openCheckpoint, readTensor } from '../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { downcast } from '../../src-main/tensor/dtype.ts';
import { optimizerIds } from '../../src-main/train/optimizers/index.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import '../support/close.ts';
import { freePath } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import {
  collect,
  createTestRun,
  createTextFile,
  eventsOfType,
  growthNamed,
  growths,
  mainFamilies,
  neverAborted,
  planIfPossible,
  readValues,
  verdictOf,
} from '../engine/workbench.ts';
import { accelerators } from './devices.ts';

const text = createTextFile(3000);

const lossesOf = (events: readonly RunEvent[], type: 'step' | 'evaluated' | 'averaged'): readonly number[] =>
  eventsOfType(events, type).map((e) => e.loss);

const trainToEnd = (run: string): Promise<readonly RunEvent[]> => collect(train({ run }, neverAborted));

/** Trains until step 3 and then resumes the run. Returns all events of the run. */
async function trainWithStop(run: string): Promise<readonly RunEvent[]> {
  const { signal, abort } = createAborter();
  for await (const event of train({ run }, signal)) {
    if (event.type === 'step' && event.step === 3) abort();
  }
  await trainToEnd(run);
  return readEvents(run);
}

/** The loss and a greedy continuation of a checkpoint. */
async function evaluateAndSample(
  checkpoint: string,
  device: DeviceKind,
): Promise<{ readonly loss: number; readonly text: string }> {
  const request = { checkpoint, data: [text], contextLength: 32, batchSize: 3, device };
  const evaluated = await collect(evaluate(request, neverAborted));
  const { evaluation } = evaluated.at(-1) as Extract<EvaluateEvent, { type: 'done' }>;
  const prompt = { from: checkpoint, prompt: 'the boat', tokens: 20, temperature: 0, seed: 0, device };
  const sampled = await collect(sample(prompt, neverAborted));
  expect(evaluation.device).toBe(device);
  expect(sampled.at(-1)).toMatchObject({ device });
  return {
    loss: evaluation.loss,
    text: sampled.map((e) => (e.type === 'text' ? e.text : '')).join(''),
  };
}

for (const [kind, device] of accelerators) {
  const isSoftware = device !== undefined && findAdapter(kind).software;
  const ids = isSoftware ? mainFamilies : [...families.keys()];
  describe.skipIf(!device).each(ids)(`${kind}: %s`, (id) => {
    const source = makeTinyCheckpoint(id, { tokenizer: true });

    it.each([1, 2])(
      'trains with %i gradient accumulation steps as the CPU does, stopped or not',
      async (gradAccum) => {
        const settings: Partial<TrainingSettings> = { gradAccum, tokens: 8 * gradAccum * 32 };
        const cpuRun = await createTestRun(await source, text, settings);
        const run = await createTestRun(await source, text, { ...settings, device: kind });
        const stoppedRun = await createTestRun(await source, text, { ...settings, device: kind });

        const expected = await trainToEnd(cpuRun);
        const events = await trainToEnd(run);
        expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 8 });
        expect(eventsOfType(events, 'started')[0]).toMatchObject({
          device: kind,
          deviceName: device!.name,
        });
        expect(lossesOf(events, 'step')).toBeClose(lossesOf(expected, 'step'), 'float32');
        expect(lossesOf(events, 'evaluated')).toBeClose(lossesOf(expected, 'evaluated'), 'float32');

        const stoppedEvents = await trainWithStop(stoppedRun);
        expect(lossesOf(stoppedEvents, 'step')).toBeClose(lossesOf(events, 'step'), 'float32');

        const out = freePath('export');
        const exported = await collect(exportRun({ run, out, dtype: 'float32' }, neverAborted));
        const done = exported.at(-1) as Extract<ExportEvent, { type: 'done' }>;
        // Exports are compared on the CPU, which every machine has.
        expect(done).toMatchObject({ device: 'cpu', maxLogit: 0 });
      },
    );

    it.each(optimizerIds)('distils with %s and an EMA of the weights as the CPU does', async (optimizer) => {
      const grown = freePath('grown');
      const plan = await planIfPossible(await source, growthNamed('hypercloning'));
      // Falcon with ALiBi slopes cannot become wider.
      if (!plan) return;
      await collect(grow({ source: await source, out: grown, plan, device: 'cpu' }, neverAborted));
      const settings: Partial<TrainingSettings> = {
        tokens: 6 * 32,
        optimizer,
        emaDecay: 0.9,
        distillWeight: 0.5,
        distillTemperature: 2,
        evaluateEvery: 3,
        lr: optimizer === 'sgd' ? 0.05 : 3e-3,
      };
      const expected = await trainToEnd(await createTestRun(grown, text, settings));
      const events = await trainToEnd(await createTestRun(grown, text, { ...settings, device: kind }));
      expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
      expect(lossesOf(events, 'step')).toBeClose(lossesOf(expected, 'step'), 'float32');
      expect(lossesOf(events, 'averaged')).toBeClose(lossesOf(expected, 'averaged'), 'float32');
      const expectedSteps = eventsOfType(expected, 'step');
      eventsOfType(events, 'step').forEach(({ step, updateRatio }, i) => {
        const change = updateRatio! / expectedSteps[i]!.updateRatio! - 1;
        expect(Math.abs(change), `step ${step}`).toBeLessThan(0.01);
      });
      expect(eventsOfType(events, 'asymmetry').map((e) => e.step)).toEqual(
        eventsOfType(expected, 'asymmetry').map((e) => e.step),
      );
    });

    const testedGrowths = isSoftware
      ? ['hypercloning', 'expand', 'aki', 'identity'].map(growthNamed)
      : growths;
    it.each(testedGrowths)(
      "grows by %s to the interpreter's bytes, and the certificate passes",
      async (...growth) => {
        for (const dtype of ['float32', 'bfloat16'] as const) {
          const from = await makeTinyCheckpoint(id, {
            dtype,
            dims: { positions: 32, layers: 1 },
            config: id === 'llama' ? { max_position_embeddings: 32 } : {},
          });
          const plan = await planIfPossible(from, growth);
          if (!plan) return;
          const checkpoint = await openCheckpoint(from);
          const out = freePath('grown');
          const request = { source: from, out, plan, device: kind };
          const events = await collect(grow(request, neverAborted, { blockBytes: 4000 }));
          const done = events.at(-1) as Extract<GrowEvent, { type: 'done' }>;
          expect(done).toMatchObject({
            type: 'done',
            device: kind,
            certificate: { verdict: verdictOf(plan), device: kind, promise: plan.promise.kind },
          });
          const grown = await openCheckpoint(out);
          for (const recipe of plan.tensors) {
            const expected = applyRecipe(
              recipe,
              plan.maps,
              plan.from,
              plan.to,
              await readValues(checkpoint, recipe.source),
              plan.request.seed,
              recipe.second === undefined ? undefined : await readValues(checkpoint, recipe.second),
            );
            const bytes = await readTensor(grown, recipe.name);
            expect(Buffer.compare(bytes, downcast(expected, dtype)), recipe.name).toBe(0);
          }
        }
      },
    );

    it('evaluates and samples greedily as the CPU does', async () => {
      const [expected, actual] = await Promise.all([
        evaluateAndSample(await source, 'cpu'),
        evaluateAndSample(await source, kind),
      ]);
      expect([actual.loss]).toBeClose([expected.loss], 'float32');
      expect(actual.text).toBe(expected.text);
    });
  });
}
