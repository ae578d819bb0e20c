/**
 * @file The engine's jobs on an accelerator: the processor's results within float32, and the device that was
 * used is the device that is told.
 */
import { describe, expect, it } from 'vitest';
import { aborter } from '../../src-main/base/signals.ts';
import { adapterOf } from '../../src-main/engine/ort/adapters.ts';
import { evaluate } from '../../src-main/engine/infer/evaluate-job.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { sample } from '../../src-main/engine/infer/sample-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import type { EvaluateEvent, ExportEvent, GrowEvent, RunEvent } from '../../src-main/contract/schema.ts';
import { families } from '../../src-main/model/families/index.ts';
import { applyRecipe } from '../../src-main/growth/apply/apply.ts';
import { openCheckpoint, readTensor } from '../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { optimizers, type OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { narrow } from '../../src-main/tensor/dtype.ts';
import '../support/close.ts';
import { freePath } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import {
  chief,
  collected,
  growthBy,
  growths,
  newRun,
  only,
  plannedIfPossible,
  quiet,
  textFile,
  valuesOf,
} from '../engine/workbench.ts';
import { accelerators } from './devices.ts';

const text = textFile(3000);
const losses = (events: readonly RunEvent[]): readonly number[] => only(events, 'step').map((e) => e.loss);

for (const [kind, device] of accelerators) {
  describe.skipIf(!device).each(device && adapterOf(kind).software ? chief : [...families.keys()])(
    `${kind}: %s`,
    (id) => {
      const source = makeTinyCheckpoint(id, { tokenizer: true });

      it.each([1, 2])(
        'training that accumulates %i batches follows the processor, stopped or not',
        async (accumulate) => {
          const settings = { accumulate, tokens: 8 * accumulate * 32 };
          const [here, there, stopped] = [
            await newRun(await source, text, settings),
            await newRun(await source, text, { ...settings, device: kind }),
            await newRun(await source, text, { ...settings, device: kind }),
          ];
          const expected = await collected(train({ run: here }, quiet));
          const events = await collected(train({ run: there }, quiet));
          const { signal, abort } = aborter();
          expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 8 });
          expect(only(events, 'started')[0]).toMatchObject({ device: kind, deviceName: device!.name });
          expect(losses(events)).toBeClose(losses(expected), 'float32');
          expect(only(events, 'evaluated').map((e) => e.loss)).toBeClose(
            only(expected, 'evaluated').map((e) => e.loss),
            'float32',
          );
          for await (const event of train({ run: stopped }, signal))
            if (event.at === 'step' && event.step === 3) abort();
          await collected(train({ run: stopped }, quiet));
          expect(losses(await readEvents(stopped))).toBeClose(losses(events), 'float32');
          const out = freePath('export');
          const done = (await collected(exportRun({ run: there, out, dtype: 'float32' }, quiet))).at(
            -1,
          ) as Extract<ExportEvent, { at: 'done' }>;
          expect(done).toMatchObject({ device: 'cpu', maxLogit: 0 }); // compared where everybody can
        },
      );

      it.each(Object.keys(optimizers) as OptimizerId[])(
        'training by %s with a moving average, taught by the source, follows the processor',
        async (optimizer) => {
          const base = freePath('grown');
          const plan = (await plannedIfPossible(await source, growthBy('hypercloning')))!;
          await collected(grow({ source: await source, out: base, plan, device: 'cpu' }, quiet));
          const settings = {
            tokens: 6 * 32,
            optimizer,
            ema: 0.9,
            distill: 0.5,
            temperature: 2,
            evaluateEvery: 3,
            lr: optimizer === 'sgd' ? 0.05 : 3e-3,
          };
          const [here, there] = [
            await newRun(base, text, settings),
            await newRun(base, text, { ...settings, device: kind }),
          ];
          const expected = await collected(train({ run: here }, quiet));
          const events = await collected(train({ run: there }, quiet));
          expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
          expect(losses(events)).toBeClose(losses(expected), 'float32');
          expect(only(events, 'averaged').map((e) => e.loss)).toBeClose(
            only(expected, 'averaged').map((e) => e.loss),
            'float32',
          );
          only(events, 'step').forEach((e, i) => {
            expect(Math.abs(e.ratio! / only(expected, 'step')[i]!.ratio! - 1), `step ${e.step}`).toBeLessThan(
              0.01,
            );
          });
          expect(only(events, 'asymmetry').map((e) => e.step)).toEqual(
            only(expected, 'asymmetry').map((e) => e.step),
          );
        },
      );

      it.each(
        device && adapterOf(kind).software
          ? ['hypercloning', 'expand', 'aki', 'identity'].map(growthBy)
          : growths,
      )("growth by %s has the interpreter's bytes, and passes there", async (...growth) => {
        for (const dtype of ['float32', 'bfloat16'] as const) {
          const from = await makeTinyCheckpoint(id, {
            dtype,
            dims: { positions: 32, layers: 1 },
            config: id === 'llama' ? { max_position_embeddings: 32 } : {},
          });
          const out = freePath('grown');
          const plan = await plannedIfPossible(from, growth);
          const checkpoint = await openCheckpoint(from);
          if (!plan) return;
          const done = (
            await collected(grow({ source: from, out, plan, device: kind }, quiet, { blockBytes: 4000 }))
          ).at(-1) as Extract<GrowEvent, { at: 'done' }>;
          expect(done).toMatchObject({
            at: 'done',
            device: kind,
            certificate: { passed: true, device: kind, promise: plan.promise.kind },
          });
          const grown = await openCheckpoint(out);
          for (const recipe of plan.tensors) {
            const expected = applyRecipe(
              recipe,
              plan.maps,
              plan.from,
              plan.to,
              await valuesOf(checkpoint, recipe.source),
              plan.request.seed,
              recipe.second === undefined ? undefined : await valuesOf(checkpoint, recipe.second),
            );
            expect(
              Buffer.compare(await readTensor(grown, recipe.name), narrow(expected, dtype)),
              recipe.name,
            ).toBe(0);
          }
        }
      });

      it("evaluation and greedy text are the processor's", async () => {
        const [a, b] = await Promise.all(
          (['cpu', kind] as const).map(async (on) => {
            const { evaluation } = (
              await collected(
                evaluate(
                  { checkpoint: await source, data: [text], sequence: 32, batch: 3, device: on },
                  quiet,
                ),
              )
            ).at(-1) as Extract<EvaluateEvent, { at: 'done' }>;
            const written = await collected(
              sample(
                { from: await source, prompt: 'the boat', tokens: 20, temperature: 0, seed: 0, device: on },
                quiet,
              ),
            );
            expect([evaluation.device, (written.at(-1) as { device: string }).device]).toEqual([on, on]);
            return {
              loss: evaluation.loss,
              text: written.map((e) => (e.at === 'text' ? e.text : '')).join(''),
            };
          }),
        );
        expect([b!.loss]).toBeClose([a!.loss], 'float32');
        expect(b!.text).toBe(a!.text);
      });
    },
  );
}
