import { expect, it } from 'vitest';
import { assumptionDefaults, assumptionOptions } from '../../src-main/cost/assumptions.ts';

it('describes every assumption with a help text and a range that contains its default', () => {
  expect(assumptionOptions.map((o) => o.id).sort()).toEqual(Object.keys(assumptionDefaults).sort());
  for (const option of assumptionOptions) {
    if (option.kind !== 'number') throw new Error(`${option.id} is not a number`);
    expect(option.default).toBeGreaterThanOrEqual(option.min);
    expect(option.default).toBeLessThanOrEqual(option.max);
    expect(option.help.length).toBeGreaterThan(20);
  }
});
