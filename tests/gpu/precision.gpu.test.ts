/**
 * @file Mixed precision on an accelerator: gradients of every model family are close to those in float64, and a
 * precision that the adapter lacks is refused.
 */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { tryPrecision } from '../../src-main/engine/device/precision-trial.ts';
import { compile } from '../../src-main/engine/model/programs.ts';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import type { Device } from '../../src-main/engine/ort/device.ts';
import type { Graph } from '../../src-main/graph/graph.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { lossScaleNames, precisionsOf, type Precision } from '../../src-main/train/precision.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { accumulateProgram, type BucketModel } from '../../src-main/train/step.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { accelerators } from './devices.ts';

const shape = { microBatch: 2, contextLength: 6 };
const lossScale = 1024;

/** Largest distance from the exact gradients, all together, as a share of their length. */
const tolerance: Readonly<Record<Precision, number>> = { float32: 1e-4, float16: 1e-2, bfloat16: 6e-2 };

type Feeds = Readonly<Record<string, Float32Array | Int32Array>>;

/** A small model with one weight per bucket, and feeds for its training programs. */
function createModel(id: string): { readonly model: BucketModel; readonly feeds: Feeds } {
  const config = tinyConfig(id, { config: { num_experts_per_tok: 2 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 1 });
  const values = new Map(parameters.map((p) => [p.name, tinyValues(p, dims, 3)]));
  const tokenAt = (i: number): number =>
    Math.floor(Math.abs(normalAt(deriveKey(9), i)) * 1e6) % dims['vocab']!;
  const feeds: Record<string, Float32Array | Int32Array> = {
    keep: Float32Array.of(0),
    [lossScaleNames.factor]: Float32Array.of(lossScale),
    tokens: Int32Array.from({ length: shape.microBatch * (shape.contextLength + 1) }, (_, i) => tokenAt(i)),
  };
  for (const bucket of buckets) {
    feeds[`weights/${bucket.index}`] = values.get(bucket.slots[0]!.name)!;
    feeds[`gradient/${bucket.index}`] = new Float32Array(bucket.length);
  }
  return { model: { family, dims, settings, buckets }, feeds };
}

/** The float32 outputs of a graph on the device. */
async function runOnDevice(
  device: Device,
  graph: Graph,
  feeds: Feeds,
  precision: Precision,
): Promise<ReadonlyMap<string, Float32Array>> {
  const session = await compile(device, graph, { precision });
  const inputs = Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }) => [
      name!,
      DeviceTensor.fromArray(feeds[name!]!, dtype, shape),
    ]),
  );
  const outputs = await session.run(
    Object.fromEntries(session.inputs.map((name) => [name, inputs[name]!])),
    Object.fromEntries(session.outputs.map((name) => [name, 'host' as const])),
  );
  const values = new Map([...outputs].map(([name, t]) => [name, t.values('float32').slice()]));
  for (const t of [...outputs.values(), ...Object.values(inputs)]) t.dispose();
  await session.dispose();
  return values;
}

/** The outputs of a graph in float64. */
function runExactly({ inputs, outputs }: Graph, feeds: Feeds): readonly Tensor[] {
  const tensors = inputs.map((v) => [v.name!, tensor(v.shape, Array.from(feeds[v.name!]!, Number))] as const);
  return evaluate(Object.values(outputs), Object.fromEntries(tensors));
}

const isRefused = (device: Device, precision: Precision): Promise<boolean> =>
  tryPrecision(device, precision).then(
    () => false,
    () => true,
  );

for (const [kind, device] of accelerators) {
  for (const precision of precisionsOf(kind)) {
    const refused = device !== undefined && (await isRefused(device, precision));
    describe.skipIf(!device)(`${precision} on ${kind}, ${device?.name}`, () => {
      it.runIf(refused)('is refused, because the adapter lacks it', async () => {
        const { detail } = await expectAppError('run/precision', () => tryPrecision(device!, precision));
        expect(detail).toMatchObject({ precision });
      });

      it.skipIf(refused).each([...families.keys()])('gives accurate gradients of %s', async (id) => {
        const { model, feeds } = createModel(id);
        const exactGraph = accumulateProgram(model, shape);
        const graph = accumulateProgram(model, { ...shape, precision });
        const results = await runOnDevice(device!, graph, feeds, precision);
        const expected = runExactly(exactGraph, feeds);
        let squaredError = 0;
        let squaredLength = 0;
        Object.keys(exactGraph.outputs).forEach((name, i) => {
          const values = results.get(name)!;
          const scale = precision === 'float16' && name !== 'loss' ? lossScale : 1;
          expected[i]!.data.forEach((v, j) => {
            squaredError += (values[j]! / scale - v) ** 2;
            squaredLength += v * v;
          });
        });
        expect(Math.sqrt(squaredError / squaredLength)).toBeLessThan(tolerance[precision]);
      });
    });
  }
}
