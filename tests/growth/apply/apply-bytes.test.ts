/** @file A plan gives the same bytes on any machine and in any version: hashes of six growths. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

/** The first 16 digits of the SHA-256 of the names and float32 bytes of all grown weights. */
const hashes: readonly (readonly [
  config: JsonObject,
  request: Parameters<typeof makeRequest>,
  hash: string,
])[] = [
  [gpt2, ['hypercloning', { hidden: 24, ffn: 40 }], '7bdb182b86007292'],
  [llama, ['hypercloning', { hidden: 36, ffn: 40 }, { variant: 'diagonal' }], '33870be14c198dab'],
  [llama, ['hypercloning', { hidden: 24, ffn: 40 }, { break: 'projection' }], '10a3b2c9c3dc8fca'],
  [gpt2, ['expand', { hidden: 18, ffn: 27 }], 'fcef95efab881976'],
  [llama, ['clone-pad', { hidden: 30, ffn: 50 }], 'f3ce2cb488761fb1'],
  [llama, ['vocab', { vocab: 31 }, { rows: 'draw' }], '0150bfb40fcaaefb'],
];

it.each(hashes.map(([config, request, hash]) => [config['model_type'], request, hash, config] as const))(
  'grows %s by %j to known bytes',
  (_, request, hash, config) => {
    const source = makeTinyModel(config);
    const { tensors, maps, from, to } = planGrowth(source, makeRequest(...request));
    const sha256 = createHash('sha256');
    for (const recipe of tensors) {
      const values = Float32Array.from(source.weights.get(recipe.source)!);
      const grown = applyRecipe(recipe, maps, from, to, values, 7);
      sha256.update(recipe.name).update(new Uint8Array(grown.buffer));
    }
    expect(sha256.digest('hex').slice(0, 16)).toBe(hash);
  },
);
