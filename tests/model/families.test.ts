/** @file The forward pass of every family computes the logits and losses of transformers. */
import { describe, expect, it } from 'vitest';
import { constant, loadBalancingLoss, type Value } from '../../src-main/graph/ops/build.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import { fixedLengthOf } from '../../src-main/model/rope-frequencies.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { logitsProgram, lossProgram } from '../../src-main/train/step.ts';
import { evaluate } from '../support/evaluate.ts';
import { goldenCases, loadGolden } from '../support/golden.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { bucketState, openGoldenModel } from './golden-model.ts';

describe.each(goldenCases)('%s', (name) => {
  const { golden, family, dims, settings, parameters } = openGoldenModel(name);
  const buckets = bucketsOf(family, parameters, { maxElements: 1000 });
  const model = { family, dims, settings, buckets };
  const feeds = {
    ...bucketState(buckets, golden.weights),
    tokens: Int32Array.from(golden.ids.flat()),
  };
  const microBatch = golden.ids.length;
  const length = golden.ids[0]!.length;

  it('has the weights that its table names', () => {
    expect(parameters.map((p) => p.name).filter((weight) => !golden.weights.has(weight))).toEqual([]);
  });

  it('computes the logits of transformers', async () => {
    const run = await createGraphRunner(logitsProgram(model, { microBatch, contextLength: length }));
    const { logits } = await run(feeds);
    const errors = golden.logits.map((x, i) => Math.abs(x - logits![i]!));
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });

  // transformers reads the last token too. With LongRoPE the frequencies of the shorter text may be others.
  const isShorter = length - 1 <= fixedLengthOf(settings) && length > fixedLengthOf(settings);
  it.skipIf(isShorter)('computes the loss of transformers', async () => {
    const run = await createGraphRunner(lossProgram(model, { microBatch, contextLength: length - 1 }));
    const { losses } = await run(feeds);
    const mean = losses!.reduce((a, b) => a + b, 0) / losses!.length;
    expect(Math.abs(mean - golden.loss)).toBeLessThan(1e-4);
  });
});

describe('load-balancing loss', () => {
  const mixtures = goldenCases.filter((name) => loadGolden(name).aux_loss !== undefined);

  it.each(mixtures)('%s: equals the aux_loss of transformers', (name) => {
    const { golden, family, dims, settings, inputs, feeds } = openGoldenModel(name);
    const routerLogits: Value[] = [];
    const m = createModelBuilder(family, dims, settings, inputs, (logits) => {
      routerLogits.push(logits);
    });
    const ids = golden.ids.map((row) => row.slice(0, -1));
    family.forward(m, constant(ids.flat(), 'int32', [ids.length, ids[0]!.length]));
    expect(routerLogits).toHaveLength(dims['layers']!);
    const loss = loadBalancingLoss(routerLogits, Number(settings['expertsPerToken']));
    expect(evaluate([loss], feeds)[0]!.data[0]).toBeCloseTo(golden.aux_loss!, 5);
  });
});

it('every family has a golden checkpoint', () => {
  const covered = goldenCases.map((name) => familyOf(loadGolden(name).config).id);
  expect(new Set(covered)).toEqual(new Set(families.keys()));
});
