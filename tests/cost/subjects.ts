/**
 * @file Small models of every family, a book of three devices and a processor whose speed is known, for tests
 * of cost.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src-main/base/json.ts';
import type { DeviceBook } from '../../src-main/cost/book.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import type { Target } from '../../src-main/cost/speed.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';

export const subjectOf = (config: JsonObject): Subject => {
  const family = familyOf(config);
  return { family: family.id, dims: dimsOf(family, config), settings: settingsOf(family, config) };
};
const golden = join(import.meta.dirname, '../fixtures/golden');
/** One of every golden checkpoint, which have every family. */
export const kin: readonly { readonly name: string; readonly subject: Subject }[] = readdirSync(golden).map(
  (name) => ({
    name,
    subject: subjectOf(JSON.parse(readFileSync(join(golden, name, 'config.json'), 'utf8')) as JsonObject),
  }),
);
export const uncovered: readonly string[] = [...families.keys()].filter((id) =>
  kin.every(({ subject }) => subject.family !== id),
);

export const book: DeviceBook = {
  devices: [
    {
      id: 'small',
      name: 'Small Card',
      kind: 'gpu',
      match: [['small', 'card']],
      peaks: { float32: 1e13, bfloat16: 1e14 },
      memory: 4e9,
      bandwidth: 1e12,
      power: 200,
      source: 'a sheet',
    },
    {
      id: 'small-plus',
      name: 'Small Card Plus',
      kind: 'gpu',
      match: [['small', 'card', 'plus']],
      peaks: { float32: 2e13, tf32: 1e14, bfloat16: 2e14 },
      memory: 80e9,
      bandwidth: 2e12,
      power: 400,
      source: 'a sheet',
    },
    {
      id: 'chip',
      name: 'Chip',
      kind: 'cpu',
      match: [['chip']],
      peaks: { float32: 1e11 },
      memory: null,
      bandwidth: null,
      power: 10,
      source: 'a sheet',
    },
  ],
  prices: [
    {
      device: 'small',
      provider: 'A',
      terms: 'on demand',
      hourly: 1,
      source: 'https://a.example/prices',
      date: '2026-11-01',
    },
    {
      device: 'small-plus',
      provider: 'A',
      terms: 'on demand',
      hourly: 4,
      source: 'https://a.example/prices',
      date: '2026-11-01',
    },
    {
      device: 'small-plus',
      provider: 'B',
      terms: 'spot',
      hourly: 1.5,
      source: 'https://b.example/prices',
      date: '2026-10-01',
    },
  ],
};

export const cpu: Target = {
  id: 'cpu: Chip × 4',
  name: 'Chip, 4 cores',
  kind: 'cpu',
  here: true,
  cores: 4,
  memory: 8e9,
  facts: book.devices[2]!,
  past: [],
  measured: {
    product: 2e11,
    slack: 10,
    stream: 2e10,
    functions: 2e9,
    nodeSeconds: 5e-6,
    time: '2026-11-20T10:00:00Z',
    threads: 4,
  },
};
/** The same without measured rates; and one of which nothing is known. */
export const bare: Target = {
  id: cpu.id,
  name: cpu.name,
  kind: 'cpu',
  here: true,
  cores: 4,
  memory: 8e9,
  past: [],
};
export const unmeasured: Target = { ...bare, facts: book.devices[2]! };
