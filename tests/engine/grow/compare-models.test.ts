/** @file Two models are compared in the same way whether both fit on the device or one is loaded after the other. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { compareModels, type CompareOptions } from '../../../src-main/engine/grow/compare-models.ts';
import { ModelPair } from '../../../src-main/engine/grow/model-pair.ts';
import * as weights from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createTextFile } from '../workbench.ts';

const device = openDevice('cpu');
const source = makeTinyCheckpoint('llama', { tokenizer: true }).then(openCheckpoint);
const other = makeTinyCheckpoint('llama', { tokenizer: true, dims: { ffn: 40 } }).then(openCheckpoint);
const files = { data: [createTextFile(20_000)], contextLength: 40 };

afterEach(() => {
  vi.restoreAllMocks();
});

async function compare(options: CompareOptions = {}): Promise<object> {
  const comparison = await compareModels(await device, await source, await other, { files, ...options });
  comparison.close();
  const { difference, histogram, byPosition, worst } = comparison;
  return { difference, histogram, byPosition, worst };
}

describe('the comparison of a text of many batches', () => {
  it('is the same with both models on the device as with one after the other', async () => {
    const alone = await compare();
    // A text that does not fit into the memory for a short one.
    const loadBoth = vi.spyOn(ModelPair.prototype, 'loadBoth');
    const together = await compare({ shortTextBytes: 0 });
    expect(loadBoth).toHaveBeenCalledOnce();
    expect(await loadBoth.mock.results[0]!.value).toBe(true);
    expect(together).toEqual(alone);
  });

  it('loads the models in turns where they do not fit together', async () => {
    const alone = await compare();
    vi.spyOn(ModelPair.prototype, 'loadBoth').mockResolvedValue(false);
    const loadSource = vi.spyOn(ModelPair.prototype, 'loadSource');
    expect(await compare({ shortTextBytes: 0, longTextBytes: 1 })).toEqual(alone);
    expect(loadSource.mock.calls.length).toBeGreaterThan(1);
  });
});

describe('two models that do not fit together', () => {
  it('are found to be too large on the host before they are loaded', async () => {
    vi.spyOn(process, 'availableMemory').mockReturnValue(1000);
    const pair = new ModelPair(
      await device,
      await source,
      await other,
      weights.checkpointWeights(await source),
    );
    expect(await pair.loadBoth()).toBe(false);
    await pair.dispose();
  });

  it('are found to be too large when a device runs out of memory', async () => {
    const outOfMemory = async (): Promise<never> => {
      throw createError('engine/out-of-memory', { device: 'cuda', detail: 'a test' });
    };
    const pair = new ModelPair(await device, await source, await other, outOfMemory);
    expect(await pair.loadBoth()).toBe(false);
    await pair.dispose();
  });
});
