/**
 * @file Training with kernels of our own on the stand-in: NVRTC compiles them, each is launched on ONNX Runtime's
 * stream, and nothing but them runs in place of what they replace.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programsOf } from '../../../src-main/cost/programs.ts';
import { kernelsOf, totalsOf } from '../../../src-main/cost/roofline.ts';
import { chooseKernels } from '../../../src-main/engine/kernels/self-test.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openNvrtc } from '../../../src-main/engine/ort/nvrtc.ts';
import { allKernels } from '../../../src-main/graph/kernels.ts';
import { kernelOps } from '../../../src-main/graph/ops/kernels/index.ts';
import { missing as missingNvrtc, nvrtcFolder } from '../../kernels/nvrtc.ts';
import { freePath } from '../../support/temporary.ts';
import { check } from './known.ts';
import { budgetOf, isUpdating, kernelBudgets } from './budget.ts';
import { expectModestDemands } from './limits.ts';
import { measureSize, sizeCases } from './sizes.ts';
import { missing as missingStandin } from './standin.ts';

const missing = missingStandin ?? missingNvrtc;

describe.skipIf(missing)(`kernels on the stand-in${missing ? `, skipped: ${missing}` : ''}`, () => {
  const home = process.env['CAMBIUM_HOME'];
  beforeAll(() => {
    process.env['CAMBIUM_HOME'] = freePath('home');
    openNvrtc(nvrtcFolder);
  });
  afterAll(() => {
    if (home === undefined) delete process.env['CAMBIUM_HOME'];
    else process.env['CAMBIUM_HOME'] = home;
  });

  // One size: each takes as long as NVRTC takes for its shapes.
  it.each(sizeCases.slice(0, 1))('train $name on the GPU alone, with fewer launches', async (size) => {
    const title = `a step of ${size.name} with kernels`;
    const measured = await measureSize(size, allKernels);
    await expectModestDemands(title, measured.step);
    const { update } = programsOf(size.subject, size.settings, 'cuda', allKernels);
    const planned = kernelsOf(update[0]!.graph, allKernels);
    for (const name of Object.keys(kernelOps)) {
      const launches = planned
        .filter((group) => group.name.startsWith(`${name} `))
        .reduce((sum, group) => sum + group.count, 0);
      expect(measured.step.ledger.get(`kernel ${name}`)?.count ?? 0, name).toBe(launches);
    }
    await check(title, 'roofline', () => {
      const { kernels, products } = totalsOf(planned);
      const counted = measured.step.kernels + measured.step.products;
      expect(Math.abs((kernels + products) / counted - 1)).toBeLessThan(0.05);
    });
    const budget = budgetOf(measured);
    if (isUpdating) kernelBudgets.write(size.name, budget);
    else expect(budget).toEqual(kernelBudgets.read()[size.name]);
  });

  it('does not use kernels of a device that computes nothing, and says why', async () => {
    const device = await openDevice('cuda');
    try {
      const { choice, refused } = await chooseKernels(device, 'auto', 'bfloat16');
      expect([...choice]).toEqual([]);
      expect(refused.map(({ group }) => group)).toEqual([...allKernels]);
      for (const { why } of refused) expect(why).toContain('the device returns zeros');
      expect((await chooseKernels(device, 'off', 'bfloat16')).refused).toEqual([]);
    } finally {
      await device.dispose();
    }
  });
});
