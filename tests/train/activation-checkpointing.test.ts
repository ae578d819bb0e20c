/** @file Activation checkpointing in training graphs: the same gradients with less memory. */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import type { Graph, Node } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import type { ActivationCheckpointing } from '../../src-main/graph/passes/activation-checkpointing.ts';
import { checkExportable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { analyzeLiveness, countFlops, executionOrder } from '../../src-main/graph/passes/liveness.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { accumulateProgram, type BucketModel } from '../../src-main/train/step.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';

const microBatch = 2;
const shortContext = 12;
const longContext = 1024;

/** A tiny model of a family. With the default `maxElements` each weight has a bucket of its own. */
function createModel(id: string, changedDims: Dims = {}, maxElements = 1): BucketModel {
  const config = tinyConfig(id, { dims: changedDims, config: { num_experts_per_tok: 2 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const buckets = bucketsOf(family, parametersOf(family, dims, settings), { maxElements });
  return { family, dims, settings, buckets };
}

/** The graph of a micro-batch, as it is run on the CPU. */
function createProgram(
  model: BucketModel,
  activationCheckpointing: ActivationCheckpointing,
  contextLength = shortContext,
): Graph {
  const program = accumulateProgram(model, { microBatch, contextLength, activationCheckpointing });
  return lowerGraph(simplify(program), 'cpu');
}

const peakBytes = (
  model: BucketModel,
  checkpointing: ActivationCheckpointing,
  contextLength: number,
): number => analyzeLiveness(createProgram(model, checkpointing, contextLength)).peakBytes;

/** Weights, tokens and gradients of 0. Each weight has a bucket of its own. */
function createFeeds({ family, dims, settings, buckets }: BucketModel): Readonly<Record<string, Feed>> {
  const parameters = new Map(parametersOf(family, dims, settings).map((each) => [each.name, each]));
  const length = microBatch * (shortContext + 1);
  const tokenAt = (i: number): number =>
    Math.floor(Math.abs(normalAt(deriveKey(4), i)) * 1e6) % dims['vocab']!;
  const feeds: Record<string, Feed> = {
    keep: Float32Array.of(0),
    tokens: Int32Array.from({ length }, (_, i) => tokenAt(i)),
  };
  for (const bucket of buckets) {
    const parameter = parameters.get(bucket.slots[0]!.name)!;
    feeds[`weights/${bucket.index}`] = tinyValues(parameter, dims, 5);
    feeds[`gradient/${bucket.index}`] = new Float32Array(bucket.length);
  }
  return feeds;
}

describe.each([...families.keys()])('activation checkpointing of %s', (id) => {
  it('gives the same gradients, bit for bit, with more computation', async () => {
    const model = createModel(id, { layers: 3 });
    const feeds = createFeeds(model);
    const compute = async (checkpointing: ActivationCheckpointing) => {
      const graph = createProgram(model, checkpointing);
      checkWellFormed(graph, checkpointing);
      checkExportable(graph, 'cpu', checkpointing);
      const run = await createGraphRunner(graph);
      return { outputs: await run(feeds), flops: countFlops(graph) };
    };
    const off = await compute('off');
    for (const checkpointing of ['attention', 'full'] as const) {
      const recomputed = await compute(checkpointing);
      for (const [name, values] of Object.entries(off.outputs))
        expect([name, recomputed.outputs[name]]).toEqual([name, values]);
      expect(recomputed.flops).toBeGreaterThan(off.flops);
    }
  });
});

/** The largest number of other attention scores that are computed while those of one layer are still needed. */
function countOverlappingScores(graph: Graph): number {
  const order = executionOrder(graph);
  const lastUse = new Map<Node, number>();
  for (const [i, node] of order.entries())
    for (const value of node.inputs) if (value.node) lastUse.set(value.node, i);
  const isAttention = (node: Node): boolean =>
    node.op.name === 'Softmax' && node.outputs[0]!.shape.length > 2;
  const scores = order.flatMap((node, i) =>
    isAttention(node) ? [{ computedAt: i, neededUntil: lastUse.get(node)! }] : [],
  );
  const overlaps = scores.map(
    ({ computedAt, neededUntil }) =>
      scores.filter((other) => other.computedAt > computedAt && other.computedAt < neededUntil).length,
  );
  return Math.max(...overlaps);
}

describe.each(['llama', 'gpt2', 'gemma2'])('activation checkpointing of %s with a long context', (id) => {
  const manyElements = 2 ** 26;
  const model = createModel(id, { layers: 4, positions: longContext }, manyElements);
  const deepModel = createModel(id, { layers: 8, positions: longContext }, manyElements);

  it('keeps no attention scores for the backward pass', () => {
    const overlapWith = (checkpointing: ActivationCheckpointing): number =>
      countOverlappingScores(createProgram(model, checkpointing, longContext));
    expect(overlapWith('off')).toBeGreaterThan(3 * 8);
    for (const checkpointing of ['attention', 'full'] as const)
      expect(overlapWith(checkpointing), checkpointing).toBeLessThanOrEqual(8);
  });

  it('halves the memory at least', () => {
    const withoutIt = peakBytes(deepModel, 'off', longContext);
    expect(peakBytes(deepModel, 'attention', longContext)).toBeLessThan(0.5 * withoutIt);
    expect(peakBytes(deepModel, 'full', longContext)).toBeLessThan(0.5 * withoutIt);
  });

  it('halves the memory of a short context too when every block is recomputed', () => {
    expect(peakBytes(deepModel, 'full', 64)).toBeLessThan(0.5 * peakBytes(deepModel, 'off', 64));
  });
});
