/** @file A golden checkpoint prepared for the tests of this folder: its model, graph inputs and their values. */
import { input, type Value } from '../../src-main/graph/ops/build.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Bucket } from '../../src-main/train/bucket.ts';
import type { Tensor } from '../support/evaluate.ts';
import { goldenCases, loadGolden } from '../support/golden.ts';

export function openGoldenModel(name: string) {
  const golden = loadGolden(name);
  const family = familyOf(golden.config);
  const dims = dimsOf(family, golden.config);
  const settings = settingsOf(family, golden.config);
  const parameters = parametersOf(family, dims, settings);
  return {
    golden,
    family,
    dims,
    settings,
    parameters,
    /** One graph input per weight. */
    inputs: new Map<string, Value>(parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)])),
    /** The stored weights in float64, as feeds of `evaluate`. */
    feeds: Object.fromEntries(
      parameters.map(({ name: weight, shape }): [string, Tensor] => [
        weight,
        { shape, data: Float64Array.from(golden.weights.get(weight)!) },
      ]),
    ),
  };
}

/** The names of all golden checkpoints except float16 ones, grouped by family. */
export const goldenByFamily: readonly (readonly string[])[] = [
  ...Map.groupBy(
    goldenCases.filter((name) => !name.includes('float16')),
    (name) => familyOf(loadGolden(name).config).id,
  ).values(),
];

/** The weights as the bucket inputs of training programs, `weights/0` and so on. */
export const bucketState = (
  buckets: readonly Bucket[],
  weights: ReadonlyMap<string, ArrayLike<number>>,
): Record<string, Float32Array> =>
  Object.fromEntries(
    buckets.map(({ index, length, slots }) => {
      const flat = new Float32Array(length);
      for (const { name, offset } of slots) flat.set(weights.get(name)!, offset);
      return [`weights/${index}`, flat];
    }),
  );
