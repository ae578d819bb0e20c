/**
 * @file Activation recomputation: gradients are the same numbers, less is held, and no scores of one layer
 * wait for those of the next.
 */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { checkExportable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { executionOrder, countFlops, analyzeLiveness } from '../../src-main/graph/passes/liveness.ts';
import type { Graph, Node } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import type { ActivationCheckpointing } from '../../src-main/graph/passes/activation-checkpointing.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { accumulateProgram, type BucketModel } from '../../src-main/train/step.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';

const batch = 2;
const sequence = 12;

function modelOf(id: string, dims: Readonly<Record<string, number>> = {}, most = 1): BucketModel {
  const config = tinyConfig(id, { dims, config: { num_experts_per_tok: 2 } });
  const family = families.get(id)!;
  const sizes = dimsOf(family, config);
  const settings = settingsOf(family, config);
  return {
    family,
    dims: sizes,
    settings,
    buckets: bucketsOf(family, parametersOf(family, sizes, settings), { maxElements: most }),
  };
}
const program = (model: BucketModel, recompute: ActivationCheckpointing | 'auto', length = sequence): Graph =>
  lowerGraph(
    simplify(
      accumulateProgram(model, {
        microBatch: batch,
        contextLength: length,
        activationCheckpointing: recompute,
      }),
    ),
    'cpu',
  );

describe.each([...families.keys()])('%s', (id) => {
  it('has the same gradients, bit for bit, from what is made again', async () => {
    const model = modelOf(id, { layers: 3 });
    const parameters = new Map(
      parametersOf(model.family, model.dims, model.settings).map((p) => [p.name, p]),
    );
    const fed: Record<string, Feed> = {
      keep: Float32Array.of(0),
      tokens: Int32Array.from(
        { length: batch * (sequence + 1) },
        (_, i) => Math.floor(Math.abs(normalAt(deriveKey(4), i)) * 1e6) % model.dims['vocab']!,
      ),
    };
    for (const b of model.buckets) {
      fed[`weights/${b.index}`] = tinyValues(parameters.get(b.slots[0]!.name)!, model.dims, 5);
      fed[`gradient/${b.index}`] = new Float32Array(b.length);
    }
    const [off, attention, full] = (await Promise.all(
      (['off', 'attention', 'full'] as const).map(async (how) => {
        const graph = program(model, how);
        checkWellFormed(graph, how);
        checkExportable(graph, 'cpu', how);
        return { graph, out: await (await createGraphRunner(graph))(fed) };
      }),
    )) as [
      { graph: Graph; out: Record<string, Float32Array> },
      ...{ graph: Graph; out: Record<string, Float32Array> }[],
    ];
    for (const again of [attention!, full!]) {
      for (const [name, values] of Object.entries(off.out))
        expect([name, again.out[name]]).toEqual([name, values]);
      expect(countFlops(again.graph)).toBeGreaterThan(countFlops(off.graph));
    }
  });
});

/** How many other softmaxes are computed while the result of one is still needed, at worst. */
function overlap(graph: Graph): number {
  const order = executionOrder(graph);
  const last = new Map<Node, number>();
  order.forEach((node, i) => {
    for (const v of node.inputs) if (v.node) last.set(v.node, i);
  });
  const softmaxes = order.flatMap((node, i) =>
    node.op.name === 'Softmax' && node.outputs[0]!.shape.length > 2
      ? [{ made: i, until: last.get(node)! }]
      : [],
  );
  return Math.max(
    ...softmaxes.map(({ made, until }) => softmaxes.filter((s) => s.made > made && s.made < until).length),
  );
}

describe.each(['llama', 'gpt2', 'gemma2'])('a long text through %s', (id) => {
  const model = modelOf(id, { layers: 4, positions: 1024 }, 2 ** 26);
  const long = 1024;
  it('keeps no scores of a layer until the backward pass, unless told to', () => {
    const [held, ...spared] = (['off', 'attention', 'auto', 'full'] as const).map((how) =>
      overlap(program(model, how, long)),
    );
    expect(held).toBeGreaterThan(3 * 8);
    for (const most of spared) expect(most).toBeLessThanOrEqual(8);
  });

  it('holds less the more is made again', () => {
    const peak = (how: ActivationCheckpointing, length: number): number =>
      analyzeLiveness(program(deep, how, length)).peakBytes;
    const deep = modelOf(id, { layers: 8, positions: 1024 }, 2 ** 26);
    expect(peak('attention', long)).toBeLessThan(0.5 * peak('off', long));
    expect(peak('full', long)).toBeLessThan(0.5 * peak('off', long));
    expect(peak('full', 64)).toBeLessThan(0.5 * peak('off', 64));
  });

  it('is what `auto` takes there, and not for a short one', () => {
    expect(analyzeLiveness(program(model, 'auto', long)).peakBytes).toBe(
      analyzeLiveness(program(model, 'attention', long)).peakBytes,
    );
    expect(analyzeLiveness(program(model, 'auto', 128)).peakBytes).toBe(
      analyzeLiveness(program(model, 'off', 128)).peakBytes,
    );
  });
});
