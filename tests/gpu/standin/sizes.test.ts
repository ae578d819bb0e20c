/**
 * @file Models of 124 M, 350 M and 1.1 B parameters: the budget of a step, its FLOPs, and the memory of a run
 * against the estimate.
 */
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../../src-main/cost/memory.ts';
import { programsOf, type Programs } from '../../../src-main/cost/programs.ts';
import { kernelsOf, totalsOf } from '../../../src-main/cost/roofline.ts';
import { workOf } from '../../../src-main/cost/work.ts';
import { budgetOf, isUpdating, readBudgets, shortenKernel, writeBudgets, type Budget } from './budget.ts';
import { check } from './known.ts';
import { expectModestDemands } from './limits.ts';
import type { SizeCase } from '../../bench/gpu-sizes.ts';
import { measureSize, sizeCases, type SizeMeasurement } from './sizes.ts';
import { missing } from './standin.ts';

/** Largest relative error of the estimated memory. */
const memoryTolerance = 0.1;

/** Largest relative error of the kernels of the roofline. Some operators run as two kernels or as none. */
const kernelTolerance = 0.05;

const programsAt = ({ subject, settings }: SizeCase): Programs => programsOf(subject, settings, 'cuda');

/** The estimated bytes in ONNX Runtime's arena: everything but the engine, whose memory is not in it. */
function estimateArena(size: SizeCase): number {
  const { parts } = memoryOf(programsAt(size), size.settings, 'cuda');
  return parts.filter((part) => part.what !== 'Engine').reduce((sum, part) => sum + part.bytes, 0);
}

describe.skipIf(missing)(`real sizes on the stand-in${missing ? `, skipped: ${missing}` : ''}`, () => {
  const measured: Record<string, Budget> = {};

  describe.each(sizeCases)('$name', (size) => {
    const title = `a step of ${size.name}`;
    let measuring: Promise<SizeMeasurement> | undefined;
    const measure = (): Promise<SizeMeasurement> => (measuring ??= measureSize(size));

    it('trains on the GPU alone, with the FLOPs of the estimate', async () => {
      const { step } = await measure();
      await expectModestDemands(title, step);
      await check(title, 'FLOPs', () => {
        expect(step.productFlops).toBe(workOf(programsAt(size).update[0]!.graph).flops);
      });
    });

    it('runs the kernels and products that the roofline counts', async () => {
      const { step } = await measure();
      const totals = totalsOf(kernelsOf(programsAt(size).update[0]!.graph));
      await check(title, 'roofline', () => {
        expect(step.products).toBe(totals.products);
        expect(Math.abs(totals.kernels / step.kernels - 1)).toBeLessThan(kernelTolerance);
      });
    });

    it('needs the memory that was estimated', async () => {
      const { peakBytes } = await measure();
      const peak = Math.max(...Object.values(peakBytes));
      await check(`a run of ${size.name}`, 'memory', () => {
        expect(Math.abs(estimateArena(size) / peak - 1)).toBeLessThan(memoryTolerance);
      });
    });

    it('keeps to its budget (npm run test:standin -- --update-budget writes it anew)', async () => {
      measured[size.name] = budgetOf(await measure());
      if (!isUpdating) expect(measured[size.name]).toEqual(readBudgets()[size.name]);
    });
  });

  it.runIf(isUpdating)('writes the budgets', () => {
    writeBudgets({ ...readBudgets(), ...measured });
  });
});

describe('shortenKernel', () => {
  it.each([
    [
      'kernel void a::b::_Unary<a::Half, a::b::OP_Cast<a::Half, float>, 256>(a::Half const*)',
      '_Unary OP_Cast',
    ],
    ['kernel void a::softmax_warp<float, 10>(float*)', 'softmax_warp'],
    ['kernel cudnnReduceTensor', 'cudnnReduceTensor'],
  ])('shortens %s to %s', (name, short) => {
    expect(shortenKernel(name)).toBe(short);
  });
});
