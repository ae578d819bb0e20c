/** @file The commands estimate and devices --measure. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assumptionDefaults, assumptionOptions } from '../../../src-main/cost/assumptions.ts';
import { flagOf } from '../../../src-main/entry/node/arguments.ts';
import { exampleCheckpoint, root, startTestService, type TestService } from '../../support/test-service.ts';
import { runCommand, type CommandResult } from './run-command.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
  cpSync(join(root, 'resources', 'devices.json'), join(app.dir, 'resources', 'devices.json'));
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const cambium = (...argv: readonly string[]): Promise<CommandResult> => runCommand(app, argv);
const estimate = (...more: readonly string[]): Promise<CommandResult> =>
  cambium(
    'estimate',
    exampleCheckpoint,
    ...['--micro-batch', '2', '--context-length', '8', '--tokens', '10k'],
    ...more,
  );

describe('estimate', () => {
  it('prints all figures, the assumptions, and the source of each price', async () => {
    const { code, out } = await estimate();
    expect(code).toBe(0);
    for (const word of ['Compute', '6N + 12LHQS', 'Disk', 'Memory', 'Assumptions:'])
      expect(out).toContain(word);
    expect(out).toMatch(/NVIDIA H200 +Hugging Face Jobs.*2026-08-21 https:\/\/huggingface\.co/);
    for (const option of assumptionOptions) expect(out).toContain(option.label);
  });

  it('prints one JSON object with --json', async () => {
    const result = JSON.parse((await estimate('--json')).out) as unknown;
    expect(result).toMatchObject({ steps: 625, assumptions: assumptionDefaults });
  });

  it('takes assumptions from flags', async () => {
    const { last } = await estimate('--own-price', '7', '--json');
    expect(last()).toMatchObject({ assumptions: { ownPrice: 7 } });
  });

  it('accepts the flags of the last release', async () => {
    const current = await estimate('--json');
    const former = ['--batch', '2', '--sequence', '8', '--tokens', '10k', '--json'];
    expect((await cambium('estimate', exampleCheckpoint, ...former)).out).toBe(current.out);
  });

  it('estimates the grown model with --sizes', async () => {
    const countParameters = async (...more: readonly string[]): Promise<number> =>
      (await estimate('--json', ...more)).last<{ parameters: number }>().parameters;
    expect(await countParameters('--sizes', 'ffn=80')).toBeGreaterThan(await countParameters());
  });

  it.each([
    [['--tariff', '-1'], /--tariff: enter a number from 0 to 10, not "-1"/],
    [['--sizes', 'ffn=41'], /ffn \d+ → 41 is not a whole multiple/],
    [['--grad-accum', 'many'], /--grad-accum: enter a whole number, not "many"/],
  ])('refuses %j with a reason', async (flags, why) => {
    const { code, err } = await estimate(...flags);
    expect(code).not.toBe(0);
    expect(err).toMatch(why);
  });

  it('has a flag for every assumption, and examples in its help', async () => {
    const { code, out } = await cambium('estimate', '--help');
    expect(code).toBe(0);
    expect(out).toContain('--json');
    expect(out).toContain('Examples:\n  cambium');
    for (const { id } of assumptionOptions) expect(out).toContain(`${flagOf(id)} <n>`);
  });
});

it('devices --measure prints the rates, which later estimates use', async () => {
  const { code, out, err } = await cambium('devices', '--measure');
  expect(code).toBe(0);
  expect(err).toContain('Measuring');
  expect(out).toMatch(/100 GFLOP\/s/);
  expect((await estimate()).out).toContain('rates measured here on 2026-11-21');
});
