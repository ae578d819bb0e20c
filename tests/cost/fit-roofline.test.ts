/** @file The fit of the roofline's efficiencies (tests/bench/fit-roofline.ts). */
import { expect, it } from 'vitest';
import { programsOf } from '../../src-main/cost/programs.ts';
import { kernelsOf, rooflineSeconds, usualEfficiency } from '../../src-main/cost/roofline.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { gpuTrainCases } from '../bench/cases.ts';
import { fitEfficiency } from '../bench/fit-roofline.ts';
import { subjectOf } from './subjects.ts';

const facts = { peaks: { bfloat16: 9.89e14 }, bandwidth: 4.8e12, memory: 141e9 };
const batch = { microBatch: 8, contextLength: 256 };

it('finds the efficiencies that the steps were computed with', () => {
  const efficiency = { ...usualEfficiency, products: 0.55, streams: 0.7 };
  const device = { peak: facts.peaks.bfloat16, bandwidth: facts.bandwidth, efficiency };
  const steps = gpuTrainCases.map(({ name, config }) => {
    const shallow = { ...config, num_hidden_layers: 1 };
    const settings = { ...trainingDefaults, ...batch, precision: 'bfloat16', activationCheckpointing: 'off' };
    const { update } = programsOf(subjectOf(shallow), settings as typeof trainingDefaults, 'cuda');
    const seconds = rooflineSeconds(kernelsOf(update[0]!.graph), device);
    return { name, config: shallow, ...batch, seconds };
  });
  const fitted = fitEfficiency(steps, facts);
  expect(fitted).toMatchObject({ products: 0.55, streams: 0.7 });
  expect(fitted.worst).toBeLessThan(1e-6);
});
