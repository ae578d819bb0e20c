/**
 * @file A checkpoint of random weights of any shape, for benchmarks; with another's tokenizer where it is to
 * read text.
 */
import { fromRandom } from '../../src-main/engine/model/weights.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { createCheckpointWriter } from '../../src-main/store/checkpoint/checkpoint-writer.ts';
import type { Checkpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { narrow } from '../../src-main/tensor/dtype.ts';
import type { JsonObject } from '../../src-main/base/json.ts';

export async function randomCheckpoint(
  target: string,
  config: JsonObject,
  shardBytes = 1e9,
  sideFilesFrom?: string,
): Promise<void> {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const writer = await createCheckpointWriter({
    target,
    family,
    config,
    shardBytes,
    ...(sideFilesFrom === undefined ? {} : { sideFilesFrom }),
    tensors: parameters.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
  });
  const draw = fromRandom({ family, dims, settings } as Checkpoint, 1);
  const byName = new Map(parameters.map((p) => [p.name, p]));
  for (const name of writer.order) await writer.write(name, narrow(await draw(byName.get(name)!), 'float32'));
  await writer.finish();
}
