import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { freePath } from '../support/temporary.ts';
import { tortures } from './tortures.ts';

it('opens or refuses hostile files of every parser', async () => {
  const scratch = freePath();
  mkdirSync(scratch, { recursive: true });
  const torture = await tortures['parsers']!();
  const { lines, failures } = await torture.run({
    count: 15,
    seed: 7,
    only: [],
    scratch,
    note: () => undefined,
  });
  expect(failures).toEqual([]);
  expect(lines.length).toBeGreaterThan(10);
});
