/** @file One update of every family in every precision: what it asks of the device. */
import { describe, expect, it } from 'vitest';
import { programsOf, subjectOf } from '../../../src-main/cost/programs.ts';
import { workOf } from '../../../src-main/cost/work.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { nodesOf, type Graph, type Node } from '../../../src-main/graph/graph.ts';
import { families } from '../../../src-main/model/families/index.ts';
import { openCheckpoint, type Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { optimizerIds } from '../../../src-main/train/optimizers/index.ts';
import { precisionsOf, type Precision } from '../../../src-main/train/precision.ts';
import type { ResolvedSettings } from '../../../src-main/engine/train/training.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { check } from './known.ts';
import { expectModestDemands } from './limits.ts';
import { measureTraining } from './measure.ts';
import { missing } from './standin.ts';

/** The kinds of training, by the settings that they change. */
const kinds: Readonly<Record<string, Partial<ResolvedSettings>>> = {
  'a step': {},
  'an update of two micro-batches': { gradAccum: 2 },
  'a step with a document mask': { documentMask: 'on' },
  'a step with an EMA of the weights': { emaDecay: 0.9 },
  'a step with distillation': { distillWeight: 0.5 },
  'a step with activation checkpointing': { activationCheckpointing: 'full' },
  ...Object.fromEntries(
    optimizerIds
      .filter((optimizer) => optimizer !== trainingDefaults.optimizer)
      .map((optimizer) => [`a step by ${optimizer}`, { optimizer }]),
  ),
};

const settingsOf = (change: Partial<ResolvedSettings>): ResolvedSettings => ({
  ...trainingDefaults,
  microBatch: 2,
  contextLength: 16,
  device: 'cuda',
  activationCheckpointing: 'off',
  ...change,
});

/**
 * FLOPs by cuBLAS of an attention that is one node: none in its flash kernel, whose arithmetic the stand-in cannot
 * see; with heads that are no multiple of 8 wide ONNX Runtime has no such kernel, and computes every key's product.
 */
function countAttentionFlops({ op, inputs, outputs, attrs }: Node): number {
  const [, seq, width] = inputs[0]!.shape as [number, number, number];
  if ((width / (attrs as { queryHeads: number }).queryHeads) % 8 === 0) return 0;
  return (op.cost.products!(inputs, outputs[0]!, attrs).flops * 2 * seq) / (seq + 1);
}

/** FLOPs of the products by cuBLAS in a graph. */
function countProducts(graph: Graph): number {
  const attentions = nodesOf(Object.values(graph.outputs)).filter(({ op }) => op.name === 'CausalAttention');
  return attentions.reduce(
    (sum, node) =>
      sum -
      node.op.cost.products!(node.inputs, node.outputs[0]!, node.attrs).flops +
      countAttentionFlops(node),
    workOf(graph).flops,
  );
}

/** FLOPs of the products by cuBLAS in one update, as an estimate counts them. */
function countFlops(checkpoint: Checkpoint, settings: ResolvedSettings): number {
  const subject = subjectOf(checkpoint);
  const programs = programsOf({ ...subject, source: subject }, settings, 'cuda');
  return programs.update.reduce((sum, { graph, times }) => sum + times * countProducts(graph), 0);
}

/**
 * Kinds and precisions that family number `index` trains in: a step in every precision, every other kind in one.
 * The precisions take turns, so that over the families each kind meets each precision.
 */
function casesOf(index: number): (readonly [kind: string, precision: Precision])[] {
  const precisions = precisionsOf('cuda');
  return Object.keys(kinds).flatMap((kind, number) =>
    precisions
      .filter((_, turn) => number === 0 || turn === (index + number) % precisions.length)
      .map((precision) => [kind, precision] as const),
  );
}

describe.skipIf(missing)(`training on the stand-in${missing ? `, skipped: ${missing}` : ''}`, async () => {
  const device = missing ? undefined! : await openDevice('cuda');

  describe.each([...families.keys()])('of %s', (id) => {
    const opened = missing ? undefined! : makeTinyCheckpoint(id).then(openCheckpoint);
    const cases = casesOf([...families.keys()].indexOf(id));

    it.each(cases)('makes %s in %s on the GPU alone', async (kind, precision) => {
      const checkpoint = await opened;
      const settings = settingsOf({ ...kinds[kind], precision });
      const source = settings.distillWeight > 0 ? checkpoint : undefined;
      const title = `${kind} of ${id} in ${precision}`;
      const demands = await measureTraining(device, checkpoint, settings, source);
      await expectModestDemands(title, demands);
      await check(title, 'FLOPs', () => {
        expect(demands.productFlops).toBe(countFlops(checkpoint, settings));
      });
    });
  });
});
