/** @file Time, cost, energy and emissions of a run for its model card, from the run's estimate.json. */
import { join } from 'node:path';
import { formatDuration, formatEnergy, formatMoney } from '../../base/format.ts';
import { assumptionDefaults } from '../../cost/assumptions.ts';
import { costFile, parseRecord } from '../../cost/record.ts';
import { readJsonIfValid } from '../../store/fs/files.ts';
import type { ModelCard } from '../../store/checkpoint/model-card.ts';

type CardCost = Pick<ModelCard, 'facts' | 'emissions'>;

/**
 * Reads the cost of the run in `dir`. No facts if none was recorded; emissions only if the user gave the
 * carbon intensity of their electricity.
 */
export async function readCardCost(dir: string): Promise<CardCost> {
  const record = parseRecord(await readJsonIfValid(join(dir, costFile)));
  const actual = record?.actual;
  if (!record || !actual) return { facts: [] };
  const { cost, energy, powerSource, seconds } = actual;
  const { price, assumptions } = record;
  const meter = powerSource === null ? '' : ` (${powerSource})`;
  const device = actual.hasOtherSettings ? '' : ` on ${record.device}`;
  const facts: ModelCard['facts'][number][] = [['Time', `${formatDuration(seconds)}${device}`]];
  if (cost !== null && price)
    facts.push(['Cost', `${formatMoney(cost)} (${price.source}, $${price.value} per ${price.unit})`]);
  if (energy !== null) facts.push(['Energy', `${formatEnergy(energy)}${meter}`]);
  const hasOwnCarbon = assumptions.carbon !== assumptionDefaults.carbon;
  if (energy === null || !hasOwnCarbon) return { facts };
  return {
    facts,
    emissions: {
      grams: energy * assumptions.carbon,
      source: `Cambium: energy of the device${meter} times ${assumptions.carbon} g of CO2 per kWh`,
    },
  };
}
