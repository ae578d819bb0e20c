/**
 * @file What a card says of a run's cost: nothing without a record, emissions only where the person said what
 * their electricity emits.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import { costFile, type CostRecord } from '../../../src-main/cost/record.ts';
import { costOf } from '../../../src-main/engine/model-card/card-cost.ts';
import { modelCard } from '../../../src-main/store/checkpoint/model-card.ts';
import { freePath } from '../../support/temporary.ts';

const record: CostRecord = {
  version: 1,
  time: '',
  device: 'a-card',
  kind: 'cuda',
  precision: 'float32',
  told: null,
  price: { value: 0.25, unit: 'kWh', source: 'your tariff', time: '' },
  assumptions: assumptionDefaults,
  came: {
    steps: 10,
    tokens: 100,
    seconds: 7200,
    stepSeconds: 1,
    memory: 1,
    energy: 0.4,
    power: 'rapl',
    money: 0.1,
    time: '',
  },
};
function dirWith(some: unknown): string {
  const dir = freePath('run');
  mkdirSync(dir, { recursive: true });
  if (some !== undefined) writeFileSync(join(dir, costFile), JSON.stringify(some));
  return dir;
}

it('tells time, money and energy of the record', async () => {
  expect(await costOf(dirWith(record))).toEqual({
    facts: [
      ['Time', '2.0 hours on a-card'],
      ['Money', 'US$ 0.100 (your tariff, US$ 0.25 a kWh)'],
      ['Energy', '0.400 kWh (rapl)'],
    ],
  });
});

it('names no device for a run that was elsewhere too', async () => {
  expect((await costOf(dirWith({ ...record, came: { ...record.came, unlike: true } }))).facts[0]).toEqual([
    'Time',
    '2.0 hours',
  ]);
});

it('tells emissions where the carbon of the electricity was given', async () => {
  const { emissions } = await costOf(
    dirWith({ ...record, assumptions: { ...assumptionDefaults, carbon: 50 } }),
  );
  expect(emissions!.grams).toBeCloseTo(20);
  expect(
    modelCard({ summary: 'x', base: 'b', tags: [], facts: [], limits: [], emissions: emissions! }, 't'),
  ).toMatch(/\nco2_eq_emissions:\n {2}emissions: 20\.0\n {2}source: "Cambium: /);
});

it('says nothing that was not recorded', async () => {
  expect(await costOf(dirWith(undefined))).toEqual({ facts: [] });
  expect(await costOf(dirWith({ ...record, came: undefined }))).toEqual({ facts: [] });
  expect(
    await costOf(
      dirWith({
        ...record,
        assumptions: { ...assumptionDefaults, carbon: 50 },
        came: { ...record.came, energy: null, money: null },
      }),
    ),
  ).toEqual({ facts: [['Time', '2.0 hours on a-card']] });
});
