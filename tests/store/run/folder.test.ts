import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRun, settingsFile } from '../../../src-main/store/run/folder.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { createTestRun } from './run-fixtures.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Creates a run and replaces fields of its settings.json. */
async function createRunWith(fields: Fields, settings: Fields = {}): Promise<string> {
  const dir = await createTestRun();
  const run = JSON.parse(readFileSync(settingsFile(dir), 'utf8')) as { settings: object };
  writeFileSync(
    settingsFile(dir),
    JSON.stringify({ ...run, settings: { ...run.settings, ...settings }, ...fields }),
  );
  return dir;
}

describe('readRun', () => {
  it('gives a setting that settings.json lacks its default', async () => {
    const dir = await createRunWith({ settings: { microBatch: 3 } });
    expect((await readRun(dir)).settings).toEqual({ ...trainingDefaults, microBatch: 3 });
  });

  it('keeps the changes of the schedule', async () => {
    const phases = [
      { from: 0, until: 40, schedule: 'cosine', warmupSteps: 20 },
      { from: 10, until: 20, schedule: 'decay', warmupSteps: 0 },
    ];
    const dir = await createRunWith({}, { phases });
    expect((await readRun(dir)).settings.phases).toEqual(phases);
  });

  it('refuses a folder without settings.json', async () => {
    await expectAppError('run/not-found', () => readRun(freePath()));
  });

  it.each(['{"version":1', '{"version":1}', '{"version":2}', '[]', 'null'])(
    'refuses %s as damaged',
    async (text) => {
      const dir = await createTestRun();
      writeFileSync(settingsFile(dir), text);
      await expectAppError('run/damaged', () => readRun(dir));
    },
  );

  it.each([
    ['settings.lr', { lr: 20 }],
    ['settings.microBatch', { microBatch: 1.5 }],
    ['settings.contextLength', { contextLength: 1 }],
    ['settings.eps', { eps: 0 }],
    ['settings.schedule', { schedule: 'exponential' }],
    ['settings.documentMask', { documentMask: 'apart' }],
    ['settings.tokens', { tokens: '1000' }],
    ['settings.phases.0.schedule', { phases: [{ from: 0, until: 9, schedule: 'fall', warmupSteps: 0 }] }],
  ])('names %s when its value is not allowed', async (field, settings) => {
    const dir = await createRunWith({}, settings);
    const { message } = await expectAppError('run/damaged', () => readRun(dir));
    expect(message).toContain(`settings.json, ${field}: `);
  });

  it.each([
    ['data', { data: 'text.txt' }],
    ['data.0', { data: [''] }],
    ['weights', { weights: [1, 2] }],
    ['weights.0', { weights: [-1] }],
    ['checkpoint', { checkpoint: '' }],
  ])('names %s, which is outside of the settings, for %j', async (field, run) => {
    const dir = await createRunWith(run);
    const { message } = await expectAppError('run/damaged', () => readRun(dir));
    expect(message).toContain(`settings.json, ${field}: `);
  });

  it('refuses a settings.json of a later version', async () => {
    const dir = await createRunWith({ version: 3 });
    const { message } = await expectAppError('run/damaged', () => readRun(dir));
    expect(message).toContain('settings.json has version 3');
  });
});
