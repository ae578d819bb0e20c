/**
 * @file Twenty steps of the training graph compared with AdamW, Muon and SGD of PyTorch: losses, gradient norms
 * and final weights (tests/parity/make-losses.py).
 */
import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import {
  accumulateProgram,
  stepProgram,
  updateProgram,
  type BucketModel,
} from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { loadGolden } from '../support/golden.ts';
import { readPyTorchCurves, type LossCurve } from '../support/loss-curves.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';
import { initialState, nextState, toScalarFeeds } from './bucket-state.ts';

const cases = readPyTorchCurves().flatMap((curve) =>
  [1, 700, 1_000_000].map((maxElements) => [curve.name, maxElements, curve] as const),
);

function createModel({ checkpoint, rates, optimizer }: LossCurve, maxElements: number): BucketModel {
  const { config } = loadGolden(checkpoint);
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const factors = new Map(
    parameters.map(({ name, shape }) => [name, { lrScale: rates[name] ?? 1, gradScale: 1, from: shape }]),
  );
  const buckets = bucketsOf(family, parameters, { maxElements, factors, optimizer: optimizer.name });
  return { family, dims, settings, buckets };
}

type State = Readonly<Record<string, Float32Array>>;
/** Trains on the micro-batches of one update. Returns the loss and the outputs of the graph. */
type Step = (
  state: State,
  scalars: Readonly<Record<string, Feed>>,
  microBatches: readonly Int32Array[],
) => Promise<{ readonly loss: number; readonly outputs: State }>;

async function createStep(model: BucketModel, curve: LossCurve): Promise<Step> {
  const { batches, optimizer, gradAccumSteps } = curve;
  const shape = { microBatch: batches[0]!.length, contextLength: batches[0]![0]!.length - 1 };
  if (gradAccumSteps === 1) {
    const run = await createGraphRunner(stepProgram(model, shape, optimizer));
    return async (state, scalars, [tokens]) => {
      const outputs = await run({ ...state, ...scalars, tokens: tokens! });
      return { loss: outputs['loss']![0]!, outputs };
    };
  }
  const accumulate = await createGraphRunner(accumulateProgram(model, shape));
  const update = await createGraphRunner(updateProgram(model, optimizer, gradAccumSteps));
  const gradientNames = model.buckets.map((bucket) => `gradient/${bucket.index}`);
  return async (state, scalars, microBatches) => {
    const weights = Object.fromEntries(Object.entries(state).filter(([name]) => name.startsWith('weights')));
    let loss = 0;
    let gradients: State = Object.fromEntries(
      model.buckets.map((bucket) => [`gradient/${bucket.index}`, new Float32Array(bucket.length)]),
    );
    for (const [i, tokens] of microBatches.entries()) {
      const keep = Float32Array.of(i === 0 ? 0 : 1);
      const sums = await accumulate({ ...weights, ...gradients, keep, tokens });
      loss += sums['loss']![0]! / gradAccumSteps;
      gradients = Object.fromEntries(gradientNames.map((name) => [name, sums[`next/${name}`]!]));
    }
    const outputs = await update({ ...state, ...gradients, ...scalars, loss: Float32Array.of(loss) });
    return { loss, outputs };
  };
}

/** The scalars that the graph of an optimizer has as inputs. */
function scalarsOf({ optimizer, maxGradNorm, lr }: LossCurve, step: number): Readonly<Record<string, Feed>> {
  const settings = { ...optimizer, gradClip: maxGradNorm };
  const { emaDecay, biasCorrection1, biasCorrection2, ...always } = hostScalars(
    settings,
    step,
    lr[step - 1]!,
  );
  expect(emaDecay).toBe(0);
  const hasMoments = optimizer.name !== 'sgd';
  return toScalarFeeds(hasMoments ? { ...always, biasCorrection1, biasCorrection2 } : always);
}

describe.each(cases)('%s with buckets of at most %i elements', (_, maxElements, curve) => {
  it('has the losses, gradient norms and final weights of PyTorch', async () => {
    const model = createModel(curve, maxElements);
    const { buckets } = model;
    const takeStep = await createStep(model, curve);
    let state = initialState(buckets, loadGolden(curve.checkpoint).weights);
    for (const [i, expected] of curve.points.entries()) {
      const first = i * curve.gradAccumSteps;
      const microBatches = curve.batches
        .slice(first, first + curve.gradAccumSteps)
        .map((rows) => Int32Array.from(rows.flat()));
      const { loss, outputs } = await takeStep(state, scalarsOf(curve, i + 1), microBatches);
      const gradNorm = outputs['gradNorm']![0]!;
      state = nextState(buckets, outputs);
      expect(Math.abs(loss / expected.loss - 1), `loss of step ${i + 1}`).toBeLessThan(1e-4);
      expect(Math.abs(gradNorm / curve.gradNorm[i]! - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3);
    }
    for (const bucket of buckets)
      for (const { name, offset, count } of bucket.slots) {
        const expected = curve.finalWeights.get(name);
        if (!expected) continue;
        const found = state[`weights/${bucket.index}`]!.subarray(offset, offset + count);
        const differences = expected.map((x, i) => Math.abs(x - found[i]!));
        expect(Math.max(...differences), name).toBeLessThan(2e-4);
      }
  });
});
