/**
 * @file Mixed precision on an accelerator: gradients of every family there beside those in float64, within
 * the precision's own tolerance; what the adapter lacks is refused by name.
 */
import { describe, expect, it } from 'vitest';
import { keyOf, normalAt } from '../../src-main/base/random.ts';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import { tryPrecision } from '../../src-main/engine/device/precision-trial.ts';
import { compile } from '../../src-main/engine/model/programs.ts';
import { graphOf, type Graph } from '../../src-main/graph/graph.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { precisionsOf } from '../../src-main/train/precision.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { accumulateProgram, type BucketModel } from '../../src-main/train/step.ts';
import { evaluate, tensor } from '../support/evaluate.ts';
import { refusal } from '../support/refusal.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { accelerators } from './devices.ts';

const batch = 2;
const sequence = 6;
/** Largest distance of all gradients together from the exact ones, as a share of their length. */
const tolerance = { float32: 1e-4, float16: 1e-2, bfloat16: 6e-2 } as const;

for (const [kind, device] of accelerators)
  for (const precision of precisionsOf[kind]) {
    const refused =
      device &&
      (await tryPrecision(device, precision).then(
        () => false,
        () => true,
      ));
    describe.skipIf(!device)(`${precision} on ${kind}, ${device?.name}`, () => {
      it.runIf(refused)('is refused, because the adapter lacks it', async () => {
        expect((await refusal('run/precision', () => tryPrecision(device!, precision))).detail).toMatchObject(
          { precision },
        );
      });

      it.skipIf(refused).each([...families.keys()])('%s', async (id) => {
        const config = tinyConfig(id, { config: { num_experts_per_tok: 2 } });
        const family = families.get(id)!;
        const dims = dimsOf(family, config);
        const settings = settingsOf(family, config);
        const parameters = parametersOf(family, dims, settings);
        const model: BucketModel = {
          family,
          dims,
          settings,
          buckets: bucketsOf(family, parameters, { most: 1 }),
        };
        const values = new Map(parameters.map((p) => [p.name, tinyValues(p, dims, 3)]));
        const exact: Graph = accumulateProgram(model, { batch, sequence });
        const graph = accumulateProgram(model, { batch, sequence, precision });
        const scale = 1024;
        const fed: Record<string, Float32Array | Int32Array> = {
          keep: Float32Array.of(0),
          'scaling/factor': Float32Array.of(scale),
          tokens: Int32Array.from(
            { length: batch * (sequence + 1) },
            (_, i) => Math.floor(Math.abs(normalAt(keyOf(9), i)) * 1e6) % dims['vocab']!,
          ),
        };
        for (const b of model.buckets) {
          fed[`weights/${b.index}`] = values.get(b.slots[0]!.name)!;
          fed[`gradient/${b.index}`] = new Float32Array(b.length);
        }
        const session = await compile(device!, graphOf(graph.outputs, graph.inputs), { precision });
        const tensors = Object.fromEntries(
          graph.inputs.map((v) => [v.name!, DeviceTensor.over(fed[v.name!]!, v.dtype, v.shape)]),
        );
        const out = await session.run(
          Object.fromEntries(session.inputs.map((n) => [n, tensors[n]!])),
          Object.fromEntries(session.outputs.map((n) => [n, 'host' as const])),
        );
        const names = Object.keys(exact.outputs);
        const wanted = evaluate(
          names.map((n) => exact.outputs[n]!),
          Object.fromEntries(
            exact.inputs.map((v) => [v.name!, tensor(v.shape, Array.from(fed[v.name!]!, Number))]),
          ),
        );
        let off = 0;
        let length = 0;
        names.forEach((name, i) => {
          const found = out.get(name)!.values('float32');
          const factor = precision === 'float16' && name !== 'loss' ? scale : 1;
          wanted[i]!.data.forEach((v, j) => {
            off += (found[j]! / factor - v) ** 2;
            length += v * v;
          });
        });
        expect(Math.sqrt(off / length)).toBeLessThan(tolerance[precision]);
        for (const t of [...out.values(), ...Object.values(tensors)]) t.dispose();
        await session.dispose();
      });
    });
  }
