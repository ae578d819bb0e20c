/** @file `cambium estimate` and `cambium devices --measure`, against a fake engine. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assumptionDefaults, assumptionOptions } from '../../../src-main/cost/assumptions.ts';
import { runProgram } from '../../../src-main/entry/node/program.ts';
import { exampleCheckpoint, root, startTestService, type TestService } from '../../support/test-service.ts';

let place: TestService;
beforeEach(() => {
  place = startTestService();
  cpSync(join(root, 'resources', 'devices.json'), join(place.dir, 'resources', 'devices.json'));
});
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});

async function cambium(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runProgram(argv, {
    version: '1.2.3',
    signal: new AbortController().signal,
    pages: place.dir,
    browser: null,
    start: () => place.restart(),
    streams: {
      out: {
        write: (text) => {
          out += text;
        },
      },
      err: {
        isTTY: false,
        columns: 100,
        write: (text) => {
          err += text;
        },
      },
    },
  });
  return { code, out, err };
}
const told = ['estimate', exampleCheckpoint, '--batch', '2', '--sequence', '8', '--tokens', '10k'];

describe('estimate', () => {
  it('tells every figure in words, with its assumptions and what each price stands on', async () => {
    const { code, out } = await cambium(...told);
    expect(code).toBe(0);
    for (const word of ['Arithmetic', '6N + 12LHQS', 'Disk', 'Memory', 'Assumed:'])
      expect(out).toContain(word);
    expect(out).toMatch(/NVIDIA H200 +Hugging Face Jobs.*2026-08-21 https:\/\/huggingface\.co/);
    for (const option of assumptionOptions) expect(out).toContain(option.label.toLowerCase());
  });

  it('is one JSON object with --json, and follows what is assumed', async () => {
    const once = JSON.parse((await cambium(...told, '--json')).out) as {
      steps: number;
      assumptions: unknown;
      offers: { money: { likely: number } }[];
    };
    expect(once).toMatchObject({ steps: 625, assumptions: assumptionDefaults });
    const priced = JSON.parse((await cambium(...told, '--own-price', '7', '--json')).out) as {
      assumptions: { ownPrice: number };
    };
    expect(priced.assumptions.ownPrice).toBe(7);
  });

  it('asks as if it were grown', async () => {
    const total = async (...more: string[]): Promise<number> =>
      (JSON.parse((await cambium(...told, '--json', ...more)).out) as { parameters: number }).parameters;
    expect(await total('--sizes', 'ffn=80')).toBeGreaterThan(await total());
  });

  it.each([
    [['--tariff', '-1'], /--tariff: enter a number from 0 to 10, not "-1"/],
    [['--sizes', 'ffn=41'], /ffn \d+ → 41 is not a whole multiple/],
    [['--batch', 'many'], /--batch: enter a whole number, not "many"/],
  ])('refuses %j with a sentence', async (flags, why) => {
    const { code, err } = await cambium(...told, ...flags);
    expect(code).not.toBe(0);
    expect(err).toMatch(why);
  });

  it('explains itself with examples', async () => {
    const { code, out } = await cambium('estimate', '--help');
    expect([code, out.includes('--json'), out.includes('Examples:\n  cambium')]).toEqual([0, true, true]);
    for (const { id } of assumptionOptions)
      expect(out).toContain(`--${id.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <n>`);
  });
});

it('devices --measure tells rates, and estimates stand on them from then on', async () => {
  const { code, out, err } = await cambium('devices', '--measure');
  expect(code).toBe(0);
  expect(err).toContain('Measuring');
  expect(out).toMatch(/100 GFLOP\/s/);
  expect((await cambium(...told)).out).toContain('rates measured here on 2026-11-21');
});
