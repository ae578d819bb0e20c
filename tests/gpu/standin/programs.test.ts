/** @file Evaluation, sampling, logits and growth of every family: what their programs ask of the device. */
import { afterAll, describe, expect, it } from 'vitest';
import { writeGrownCheckpoint } from '../../../src-main/engine/grow/grow-job.ts';
import { generate } from '../../../src-main/engine/infer/generate.ts';
import { openDecoder } from '../../../src-main/engine/infer/kv-cache.ts';
import {
  measureAsymmetry,
  openLogitsReader,
  openLossMeter,
} from '../../../src-main/engine/model/programs.ts';
import { checkpointWeights, loadModel, type LoadedModel } from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { findCopies } from '../../../src-main/growth/asymmetry.ts';
import { families } from '../../../src-main/model/families/index.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { precisions } from '../../../src-main/train/precision.ts';
import { weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { collect, growthNamed, growths, neverAborted, planIfPossible } from '../../engine/workbench.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { check } from './known.ts';
import { expectModestDemands } from './limits.ts';
import { measureRuns } from './measure.ts';
import { missing, standin } from './standin.ts';

const microBatch = 2;
const contextLength = 16;
const capacity = 32;

const smallBlocks = { blockBytes: 4000 };

const windows = Array.from({ length: microBatch }, () =>
  Int32Array.from({ length: contextLength + 1 }, (_, i) => i),
);
const documents = windows.map(() => Int32Array.from({ length: contextLength }, (_, i) => Math.floor(i / 8)));

describe.skipIf(missing)(`programs on the stand-in${missing ? `, skipped: ${missing}` : ''}`, async () => {
  const device = missing ? undefined! : await openDevice('cuda');

  describe.each([...families.keys()])('of %s', (id) => {
    const opened = missing ? undefined! : makeTinyCheckpoint(id).then(openCheckpoint);
    let loading: Promise<LoadedModel> | undefined;
    const load = async (): Promise<LoadedModel> => {
      loading ??= opened.then((checkpoint) => loadModel(device, checkpoint, checkpointWeights(checkpoint)));
      return loading;
    };
    afterAll(async () => {
      (await loading)?.dispose();
    });

    it.each(precisions.flatMap((precision) => [[precision, 'off'] as const, [precision, 'on'] as const]))(
      'evaluate in %s on the GPU alone with the document mask %s',
      async (precision, documentMask) => {
        const shape = { microBatch, contextLength, documentMask, precision };
        const meter = await openLossMeter(device, await load(), shape);
        try {
          const demands = await measureRuns(() => meter.meanLoss(windows, documents));
          await expectModestDemands(
            `evaluation of ${id} in ${precision}, document mask ${documentMask}`,
            demands,
          );
        } finally {
          await meter.dispose();
        }
      },
    );

    it('compute logits on the GPU alone', async () => {
      const reader = await openLogitsReader(device, await load(), microBatch, contextLength);
      const tokens = new Int32Array(microBatch * contextLength);
      try {
        await expectModestDemands(`logits of ${id}`, await measureRuns(() => reader.run(tokens)));
      } finally {
        await reader.dispose();
      }
    });

    it('read a prompt and decode on the GPU alone', async () => {
      const decoder = await openDecoder(device, await load(), capacity);
      try {
        const prefill = await measureRuns(() => decoder.prefill([[1, 2, 3]]));
        await expectModestDemands(`prefill of ${id}`, prefill);
        const decode = await measureRuns((i) => decoder.decode([4], 3 + i));
        await expectModestDemands(`decoding of ${id}`, decode);
      } finally {
        await decoder.dispose();
      }
    });

    it('sample until the text is as long as the context', async () => {
      const loaded = await load();
      const sampling = { temperature: 1, seed: 1 };
      const tokens = generate(device, loaded, [1, 2, 3], 2 * capacity, sampling);
      expect(await collect(tokens)).toHaveLength(2 * capacity);
    });

    it.each(growths)('grow by %s in every dtype on the GPU alone', async (...growth) => {
      for (const dtype of weightDTypes) {
        const from = await makeTinyCheckpoint(id, { dtype, dims: { layers: 1 } });
        const plan = await planIfPossible(from, growth);
        if (!plan) return;
        const source = await openCheckpoint(from);
        standin.reset();
        const grow = writeGrownCheckpoint(device, source, plan, freePath('grown'), neverAborted, smallBlocks);
        // Without copies the host reads zeros, not what happens to lie in memory that no kernel wrote.
        await standin.withCopyLimit(0, () => collect(grow));
        await check(`growth of ${id} by ${growth[0]} in ${dtype}`, 'order', () => {
          expect([...standin.read().keys()].filter((name) => name.startsWith('order '))).toEqual([]);
        });
      }
    });

    it('measure the asymmetry of copies on the GPU alone', async () => {
      const plan = await planIfPossible((await opened).dir, growthNamed('hypercloning'));
      // Falcon with ALiBi slopes cannot become wider, and so has no copies.
      if (!plan) return;
      const out = freePath('grown');
      const grow = writeGrownCheckpoint(device, await opened, plan, out, neverAborted);
      await standin.withCopyLimit(0, () => collect(grow));
      const grown = await openCheckpoint(out);
      const loaded = await loadModel(device, grown, checkpointWeights(grown));
      try {
        expect(await measureAsymmetry(device, loaded, findCopies([plan]))).toBeDefined();
      } finally {
        loaded.dispose();
      }
    });
  });
});
