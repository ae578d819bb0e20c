/** @file What a run cost, for its model card: from the record beside it, where there is one. */
import { join } from 'node:path';
import { assumptionDefaults } from '../../cost/assumptions.ts';
import { costFile, recordIn } from '../../cost/record.ts';
import { readIfSound } from '../../store/fs/files.ts';
import type { ModelCard } from '../../store/checkpoint/model-card.ts';

type Cost = Pick<ModelCard, 'facts' | 'emissions'>;

const duration = (seconds: number): string =>
  seconds < 5400 ? `${(seconds / 60).toFixed(1)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;

/**
 * Facts of the run in `dir`, and its emissions where the carbon of the electricity was said by the person;
 * nothing without a record.
 */
export async function costOf(dir: string): Promise<Cost> {
  const record = recordIn(await readIfSound(join(dir, costFile)));
  const came = record?.came;
  if (!record || !came) return { facts: [] };
  const { energy, money } = came;
  const { carbon } = record.assumptions;
  const meter = came.power === null ? '' : ` (${came.power})`;
  return {
    facts: [
      ['Time', `${duration(came.seconds)}${came.unlike ? '' : ` on ${record.device}`}`],
      ...(money === null || !record.price
        ? []
        : [
            [
              'Money',
              `US$ ${money.toPrecision(3)} (${record.price.source}, US$ ${record.price.value} ${record.price.unit === 'hour' ? 'an hour' : 'a kWh'})`,
            ] as const,
          ]),
      ...(energy === null ? [] : [['Energy', `${energy.toPrecision(3)} kWh${meter}`] as const]),
    ],
    ...(energy === null || carbon === assumptionDefaults.carbon
      ? {}
      : {
          emissions: {
            grams: energy * carbon,
            source: `Cambium: energy of the device${meter} times ${carbon} g of CO2 a kWh`,
          },
        }),
  };
}
