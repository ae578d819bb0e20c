/** @file Writes checkpoints of random weights of any size, for benchmarks. */
import type { JsonObject } from '../../src-main/base/json.ts';
import { randomWeights } from '../../src-main/engine/model/weights.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { createCheckpointWriter } from '../../src-main/store/checkpoint/checkpoint-writer.ts';
import type { Checkpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { downcast } from '../../src-main/tensor/dtype.ts';

/** Writes a float32 checkpoint; `tokenizerFrom` is a checkpoint whose tokenizer is copied. */
export async function writeRandomCheckpoint(
  target: string,
  config: JsonObject,
  maxShardBytes = 1e9,
  tokenizerFrom?: string,
): Promise<void> {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const writer = await createCheckpointWriter({
    target,
    family,
    config,
    maxShardBytes,
    ...(tokenizerFrom === undefined ? {} : { auxiliaryFilesFrom: tokenizerFrom }),
    tensors: parameters.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
  });
  const readWeight = randomWeights({ family, dims, settings } as Checkpoint, 1);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  for (const name of writer.order) {
    const values = await readWeight(byName.get(name)!);
    await writer.write(name, downcast(values, 'float32'));
  }
  await writer.finish();
}
