/** @file The cost in a model card: nothing without a record, emissions only if the carbon intensity is known. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import { costFile, type CostRecord } from '../../../src-main/cost/record.ts';
import { readCardCost } from '../../../src-main/engine/model-card/card-cost.ts';
import { formatModelCard } from '../../../src-main/store/checkpoint/model-card.ts';
import { freePath } from '../../support/temporary.ts';

const record: CostRecord = {
  version: 2,
  time: '',
  device: 'a-card',
  kind: 'cuda',
  precision: 'float32',
  estimate: null,
  price: { value: 0.25, unit: 'kWh', source: 'your tariff', time: '' },
  assumptions: assumptionDefaults,
  actual: {
    steps: 10,
    tokens: 100,
    seconds: 7200,
    stepSeconds: 1,
    memory: 1,
    energy: 0.4,
    powerSource: 'rapl',
    cost: 0.1,
    time: '',
  },
};
const actual = record.actual!;
const withOwnCarbon = { ...record, assumptions: { ...assumptionDefaults, carbon: 50 } };

/** Creates the folder of a run with this cost record, or without one. */
function createRunFolder(content: unknown): string {
  const dir = freePath('run');
  mkdirSync(dir, { recursive: true });
  if (content !== undefined) writeFileSync(join(dir, costFile), JSON.stringify(content));
  return dir;
}

it('lists time, cost and energy', async () => {
  expect(await readCardCost(createRunFolder(record))).toEqual({
    facts: [
      ['Time', '2 h 00 min on a-card'],
      ['Cost', '$0.10 (your tariff, $0.25 per kWh)'],
      ['Energy', '400 Wh (rapl)'],
    ],
  });
});

it('does not name a device if the run was trained on several', async () => {
  const dir = createRunFolder({ ...record, actual: { ...actual, hasOtherSettings: true } });
  const { facts } = await readCardCost(dir);
  expect(facts[0]).toEqual(['Time', '2 h 00 min']);
});

it('lists emissions if the carbon intensity of the electricity was given', async () => {
  const { emissions } = await readCardCost(createRunFolder(withOwnCarbon));
  expect(emissions!.grams).toBeCloseTo(20);
  const card = { summary: 'x', baseModel: 'b', tags: [], facts: [], limitations: [], emissions: emissions! };
  expect(formatModelCard(card, 't')).toMatch(/\nco2_eq_emissions:\n {2}emissions: 20\n {2}source: "?Cambium/);
});

it('omits what was not recorded', async () => {
  expect(await readCardCost(createRunFolder(undefined))).toEqual({ facts: [] });
  expect(await readCardCost(createRunFolder({ ...record, actual: undefined }))).toEqual({ facts: [] });
  const unmetered = { ...withOwnCarbon, actual: { ...actual, energy: null, cost: null } };
  expect(await readCardCost(createRunFolder(unmetered))).toEqual({
    facts: [['Time', '2 h 00 min on a-card']],
  });
});
