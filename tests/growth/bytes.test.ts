/**
 * @file The same plan gives the same bytes on any machine and in any version: what growths came to when they
 * were first written down.
 */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { applyRecipe } from '../../src-main/growth/apply/apply.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { makeRequest, makeTinyModel } from './tiny-model.ts';
import { gpt2, llama } from './variants/index.ts';

/** SHA-256 of names and float32 bytes of all grown weights, its first 16 digits. */
const known: readonly (readonly [config: object, request: Parameters<typeof makeRequest>, hash: string])[] = [
  [gpt2, ['hypercloning', { hidden: 24, ffn: 40 }], '7bdb182b86007292'],
  [llama, ['hypercloning', { hidden: 36, ffn: 40 }, { variant: 'diagonal' }], '33870be14c198dab'],
  [llama, ['hypercloning', { hidden: 24, ffn: 40 }, { break: 'projection' }], '10a3b2c9c3dc8fca'],
  [gpt2, ['expand', { hidden: 18, ffn: 27 }], 'fcef95efab881976'],
  [llama, ['clone-pad', { hidden: 30, ffn: 50 }], 'f3ce2cb488761fb1'],
  [llama, ['vocab', { vocab: 31 }, { rows: 'draw' }], '0150bfb40fcaaefb'],
];

it.each(known)('%#: %j', (config, request, hash) => {
  const source = makeTinyModel(config as typeof llama);
  const plan = planGrowth(source, makeRequest(...request));
  const sum = createHash('sha256');
  for (const recipe of plan.tensors)
    sum
      .update(recipe.name)
      .update(
        new Uint8Array(
          applyRecipe(
            recipe,
            plan.maps,
            plan.from,
            plan.to,
            Float32Array.from(source.weights.get(recipe.source)!),
            7,
          ).buffer,
        ),
      );
  expect(sum.digest('hex').slice(0, 16)).toBe(hash);
});
