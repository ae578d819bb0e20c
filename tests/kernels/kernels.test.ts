/**
 * @file Every kernel on the emulator: values against the float64 reference of its operator, in two random orders of
 * its threads, on every trial and type.
 */
import { describe, expect, it } from 'vitest';
import { kernels, opOf } from '../../src-main/engine/kernels/index.ts';
import type { Kernel, Trial } from '../../src-main/engine/kernels/kernel.ts';
import { distanceOf, numbersOf, trialBytes } from '../../src-main/engine/kernels/trial.ts';
import { input } from '../../src-main/graph/graph.ts';
import { kernelOps } from '../../src-main/graph/ops/kernels/index.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import { evaluate, tensor } from '../support/evaluate.ts';
import { emulate, missing, nodeOf } from './emulator.ts';

/** Odd seeds put the ends of tensors at the end of a page, even ones the starts at its start. */
const seeds = [1, 2];

/** The outputs of the operator's interpretation in float64, rounded where it stores low precision. */
function referenceOf(kernel: Kernel, trial: Trial): readonly Float64Array[] {
  const values = trial.inputs.map((x, i) => input(`x${i}`, x.dtype, x.shape));
  const feeds = trial.inputs.map((x, i) => {
    const numbers = numbersOf(trialBytes(x, trial, i), x.dtype);
    return [`x${i}`, tensor(x.shape, numbers)] as const;
  });
  const outputs = opOf(kernel).lower!(values, trial.attrs);
  return evaluate(outputs, Object.fromEntries(feeds)).map((t) => Float64Array.from(t.data));
}

describe('the kernels', () => {
  it('are one for each operator of the domain cambium', () => {
    expect(kernels.map((kernel) => kernel.op).sort()).toEqual(Object.keys(kernelOps).sort());
  });
});

describe.skipIf(missing)(`kernels on the emulator${missing ? `, skipped: ${missing}` : ''}`, () => {
  const cases = kernels.flatMap((kernel) => kernel.types.map((type) => [kernel.op, type, kernel] as const));

  it.each(cases)('%s in %s equals its operator', (_, type: DType, kernel) => {
    const trials = kernel.trials(type);
    const jobs = trials.flatMap((trial) => seeds.map((seed) => ({ trial, seed })));
    const results = emulate(kernel, jobs);
    trials.forEach((trial, t) => {
      const expected = referenceOf(kernel, trial);
      const { outputs } = nodeOf(kernel, trial);
      const [first, ...others] = results.slice(t * seeds.length, (t + 1) * seeds.length);
      for (const other of others) expect(other, `${trial.title}: another order of threads`).toEqual(first);
      outputs.forEach((v, i) => {
        const distance = distanceOf(numbersOf(first![i]!, v.dtype), expected[i]!, v.dtype);
        expect(distance, `${trial.title}, output ${i}`).toBeLessThanOrEqual(1);
      });
    });
  });
});
