/** @file The distance between the copies of a grown weight, which a run measures with each evaluation. */
import { describe, expect, it } from 'vitest';
import { createTestRun, eventsOfType, growthNamed, type Growth } from '../workbench.ts';
import { growTiny, textFile, tinyCheckpoint, tokensPerSmallStep, trainRun } from './train-run.ts';

const withoutNoise: Growth = [
  'hypercloning without noise',
  'hypercloning',
  { hidden: 2, ffn: 2, heads: 2 },
  { noise: null },
];
const diagonalWithoutNoise = growthNamed('hypercloning without noise, diagonal');

/** Grows the tiny checkpoint, trains it 30 steps and returns the asymmetry at every tenth step. */
async function measureAsymmetry(growth: Growth): Promise<readonly number[]> {
  const settings = { tokens: 30 * tokensPerSmallStep, evaluateEvery: 10 };
  const events = await trainRun(await createTestRun(await growTiny(growth), textFile, settings));
  const found = eventsOfType(events, 'asymmetry');
  expect(found.map((event) => event.step)).toEqual([0, 10, 20, 30]);
  return found.map((event) => event.value);
}

describe('the asymmetry of copies', () => {
  it.each([
    ['symmetric', withoutNoise],
    ['diagonal', diagonalWithoutNoise],
  ] as const)('stays at rounding level after a %s growth without noise', async (_, growth) => {
    const values = await measureAsymmetry(growth);
    expect(values[0]).toBe(0);
    expect(values.at(-1)!).toBeLessThan(1e-6); // rounding gives 3e-7
  });

  it('grows with the noise that the method adds by default', async () => {
    const values = await measureAsymmetry(growthNamed('hypercloning'));
    expect(values[0]).toBe(0);
    expect(values.at(-1)!).toBeGreaterThan(1e-3);
  });

  it('is not measured in a model without copies', async () => {
    const events = await trainRun(await createTestRun(await tinyCheckpoint, textFile));
    expect(eventsOfType(events, 'asymmetry')).toEqual([]);
  });
});
