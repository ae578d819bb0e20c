/** @file Run folders of format version 1. Their names and values are written out, because files have them. */
import type { textSettings } from '../../../src-main/train/setting-groups/text.ts';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventsFile, readEvents } from '../../../src-main/store/run/events.ts';
import { isVersion1, readRun, settingsFile } from '../../../src-main/store/run/folder.ts';
import { openSession } from '../../../src-main/store/run/runs.ts';
import { translateEvent, translateSettings } from '../../../src-main/store/run/version-1.ts';
import {
  settingTable,
  storedSettingsSchema,
  trainingDefaults,
  type TrainingSettings,
} from '../../../src-main/train/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { createTestRun } from './run-fixtures.ts';
import { eventPairs, time } from './version-1-events.ts';

/** Every setting of version 1. No value is the default. */
const oldSettings = {
  tokens: 768,
  batch: 3,
  sequence: 17,
  documents: 'apart',
  accumulate: 5,
  lr: 0.02,
  schedule: 'wsd',
  warmup: 7,
  rewarm: 9,
  optimizer: 'muon',
  precision: 'bfloat16',
  tf32: 'on',
  recompute: 'attention',
  decay: 0.3,
  clip: 2.5,
  beta1: 0.8,
  beta2: 0.99,
  eps: 1e-6,
  momentum: 0.7,
  ema: 0.999,
  average: 4,
  distill: 0.6,
  temperature: 2,
  skip: 5,
  rollback: 8,
  patience: 11,
  cooldown: 0.25,
  floor: 0.05,
  rates: 'plain',
  start: 'random',
  seed: 13,
  budgetMoney: 1.5,
  budgetHours: 2.25,
  budgetTokens: 512,
  device: 'cpu',
  saveEvery: 12,
  evaluateEvery: 14,
  heldOut: 0.04,
  sampleEvery: 16,
  prompt: 'the cat',
  threads: 2,
};

/** Settings that version 1 did not have. They get their defaults. */
type SinceVersion1 =
  | 'evaluationPrecision'
  | 'kernels'
  | 'trainable'
  | 'unfreezeAt'
  | 'mupBase'
  | 'keepEvery'
  | 'keepBest'
  | 'earlyStoppingPatience'
  | 'earlyStoppingThreshold'
  | keyof typeof textSettings;

/** The same settings in version 2. */
const newSettings: Omit<TrainingSettings, SinceVersion1> = {
  tokens: 768,
  microBatch: 3,
  contextLength: 17,
  documentMask: 'on',
  gradAccum: 5,
  lr: 0.02,
  schedule: 'wsd',
  warmupSteps: 7,
  rewarmSteps: 9,
  optimizer: 'muon',
  precision: 'bfloat16',
  tf32: 'on',
  activationCheckpointing: 'attention',
  weightDecay: 0.3,
  gradClip: 2.5,
  beta1: 0.8,
  beta2: 0.99,
  eps: 1e-6,
  momentum: 0.7,
  emaDecay: 0.999,
  averageCheckpoints: 4,
  distillWeight: 0.6,
  distillTemperature: 2,
  spikeThreshold: 5,
  rollbackAfter: 8,
  maxRollbacks: 11,
  decayFraction: 0.25,
  minLrRatio: 0.05,
  perTensorLr: 'off',
  init: 'random',
  seed: 13,
  budgetCost: 1.5,
  budgetHours: 2.25,
  budgetTokens: 512,
  device: 'cpu',
  saveEvery: 12,
  evaluateEvery: 14,
  heldOut: 0.04,
  sampleEvery: 16,
  prompt: 'the cat',
  threads: 2,
};

describe('translateSettings', () => {
  it('renames every setting of version 1', () => {
    expect(translateSettings(oldSettings)).toEqual(newSettings);
  });

  it.each(Object.entries(oldSettings))('translates %s alone', (id, value) => {
    const translated = Object.entries(translateSettings({ [id]: value }));
    expect(translated).toHaveLength(1);
    const [newId, newValue] = translated[0]!;
    expect(newSettings).toHaveProperty(newId, newValue);
  });

  it.each([
    ['documents', 'joined', 'documentMask', 'off'],
    ['documents', 'apart', 'documentMask', 'on'],
    ['rates', 'plan', 'perTensorLr', 'on'],
    ['rates', 'plain', 'perTensorLr', 'off'],
    ['start', 'source', 'init', 'checkpoint'],
    ['start', 'random', 'init', 'random'],
    ['recompute', 'auto', 'activationCheckpointing', 'auto'],
    ['recompute', 'off', 'activationCheckpointing', 'off'],
    ['recompute', 'attention', 'activationCheckpointing', 'attention'],
    ['recompute', 'full', 'activationCheckpointing', 'full'],
  ])('translates %s: %s to %s: %s', (oldId, oldValue, id, value) => {
    expect(translateSettings({ [oldId]: oldValue })).toEqual({ [id]: value });
  });

  it.each(['constant', 'linear', 'cosine', 'wsd'])('keeps the schedule %s', (schedule) => {
    expect(translateSettings({ schedule })).toEqual({ schedule });
  });

  it.each([
    ['eps', 0, 'eps', settingTable.eps.min],
    ['eps', 2, 'eps', settingTable.eps.max],
    ['lr', 1e-12, 'lr', settingTable.lr.min],
    ['temperature', 1e-3, 'distillTemperature', settingTable.distillTemperature.min],
    ['beta1', 0.999_999_9, 'beta1', settingTable.beta1.max],
    ['beta2', 1 - 1e-12, 'beta2', settingTable.beta2.max],
    ['momentum', 0.999_999, 'momentum', settingTable.momentum.max],
    ['ema', 1 - 1e-12, 'emaDecay', settingTable.emaDecay.max],
    ['clip', 1e9, 'gradClip', settingTable.gradClip.max],
    ['skip', 1e9, 'spikeThreshold', settingTable.spikeThreshold.max],
    ['rollback', 1e9, 'rollbackAfter', settingTable.rollbackAfter.max],
    ['patience', 1e9, 'maxRollbacks', settingTable.maxRollbacks.max],
    ['saveEvery', 1e12, 'saveEvery', settingTable.saveEvery.max],
    ['evaluateEvery', 1e12, 'evaluateEvery', settingTable.evaluateEvery.max],
    ['sampleEvery', 1e12, 'sampleEvery', settingTable.sampleEvery.max],
    ['budgetMoney', 1e12, 'budgetCost', settingTable.budgetCost.max],
  ])('clamps %s: %d, which version 1 took, to %s: %d', (oldId, oldValue, id, value) => {
    expect(translateSettings({ [oldId]: oldValue })).toEqual({ [id]: value });
    expect(storedSettingsSchema.safeParse({ ...trainingDefaults, [id]: value }).success).toBe(true);
  });

  it.each([
    ['lr', 0],
    ['lr', 11],
    ['beta1', 1],
    ['clip', -1],
    ['temperature', 101],
    ['rollback', 0],
    ['batch', 0],
    ['sequence', 1e9],
    ['accumulate', 1e6],
  ])('keeps %s: %d, which is refused', (oldId, value) => {
    const [id, translated] = Object.entries(translateSettings({ [oldId]: value }))[0]!;
    expect(translated).toBe(value);
    expect(storedSettingsSchema.safeParse({ ...trainingDefaults, [id]: translated }).success).toBe(false);
  });

  it('translates the changes of the schedule', () => {
    const phases = [
      { from: 0, until: 24, schedule: 'wsd', warmup: 4 },
      { from: 10, until: 30, schedule: 'cosine', warmup: 2 },
      { from: 16, until: 20, schedule: 'fall', warmup: 0 },
    ];
    expect(translateSettings({ phases })).toEqual({
      phases: [
        { from: 0, until: 24, schedule: 'wsd', warmupSteps: 4 },
        { from: 10, until: 30, schedule: 'cosine', warmupSteps: 2 },
        { from: 16, until: 20, schedule: 'decay', warmupSteps: 0 },
      ],
    });
  });

  it('leaves out a setting that the file lacks, so that it has its default', () => {
    expect(translateSettings({})).toEqual({});
    expect(storedSettingsSchema.parse(translateSettings({ batch: 3 }))).toEqual({
      ...trainingDefaults,
      microBatch: 3,
    });
  });

  it('gives settings that version 2 accepts', () => {
    const defaults = { ...trainingDefaults, ...newSettings };
    expect(storedSettingsSchema.parse(translateSettings(oldSettings))).toEqual(defaults);
  });
});

describe('translateEvent', () => {
  it.each(Object.entries(eventPairs))('translates a %s event', (_, [old, event]) => {
    expect(translateEvent(old as Readonly<Record<string, unknown>>)).toEqual(event);
  });

  it.each(['finished', 'failed'])('keeps the reason %s of a stop', (reason) => {
    expect(translateEvent({ at: 'stopped', step: 1, reason, time })).toMatchObject({ reason });
  });

  it('keeps the error of a run that failed', () => {
    const error = { code: 'run/not-finite', detail: { step: 3, what: 'loss' } };
    expect(translateEvent({ at: 'stopped', step: 3, reason: 'failed', error, time })).toMatchObject({
      error,
    });
  });

  it('translates the settings that would fit into memory', () => {
    const fits = [
      { what: 'batch 4, accumulate 2', change: { batch: 4, accumulate: 2 }, bytes: 9 },
      { what: 'recompute full, sequence 64', change: { recompute: 'full', sequence: 64 }, bytes: 8 },
    ];
    const error = { code: 'engine/out-of-memory', detail: { device: 'cpu', detail: 'killed', fits } };
    expect(translateEvent({ at: 'stopped', step: 3, reason: 'failed', error, time })).toMatchObject({
      error: {
        code: 'engine/out-of-memory',
        detail: {
          device: 'cpu',
          detail: 'killed',
          fits: [
            { what: 'micro-batch 4, grad-accum 2', change: { microBatch: 4, gradAccum: 2 }, bytes: 9 },
            {
              what: 'activation-checkpointing full, context-length 64',
              change: { activationCheckpointing: 'full', contextLength: 64 },
              bytes: 8,
            },
          ],
        },
      },
    });
  });

  it.each(['hours', 'tokens'])('keeps the kind %s of a budget', (what) => {
    expect(translateEvent({ at: 'budget', step: 1, what, limit: 1, spent: 1 })).toMatchObject({ what });
  });

  it('keeps a value that is unknown', () => {
    expect(translateEvent({ at: 'reading', step: 1, power: null, money: null })).toEqual({
      type: 'usage',
      step: 1,
      powerSource: null,
      cost: null,
    });
  });
});

describe('a folder of version 1', () => {
  const oldEvents = Object.values(eventPairs).map(([old]) => old);
  const newEvents = Object.values(eventPairs).map(([, event]) => event);
  const toLines = (events: readonly object[]): string =>
    events.map((event) => `${JSON.stringify(event)}\n`).join('');

  /** Creates a run folder and replaces its files by those of version 1. */
  async function createOldRun(settings: unknown = oldSettings): Promise<string> {
    const dir = await createTestRun();
    const { name, created, checkpoint, data } = await readRun(dir);
    const run = { version: 1, name, created, checkpoint, data, weights: [2], field: 'content', settings };
    writeFileSync(settingsFile(dir), JSON.stringify(run));
    writeFileSync(eventsFile(dir), toLines(oldEvents));
    return dir;
  }

  it('is read with the names of version 2 and stays as it is', async () => {
    const dir = await createOldRun();
    expect(await readRun(dir)).toMatchObject({
      version: 2,
      name: 'first',
      data: ['/d.txt'],
      weights: [2],
      field: 'content',
      settings: newSettings,
    });
    expect(await readEvents(dir)).toEqual(newEvents);
    expect(await isVersion1(dir)).toBe(true);
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines(oldEvents));
  });

  it('becomes version 2 when a session is opened', async () => {
    const dir = await createOldRun();
    const run = await readRun(dir);
    await (await openSession(dir)).close();
    expect(await isVersion1(dir)).toBe(false);
    expect(JSON.parse(readFileSync(settingsFile(dir), 'utf8'))).toEqual(run);
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines(newEvents));
  });

  it('may have events of both versions', async () => {
    const dir = await createOldRun();
    appendFileSync(eventsFile(dir), toLines(newEvents));
    expect(await readEvents(dir)).toEqual([...newEvents, ...newEvents]);
  });

  it('is refused with the current name of a setting whose value is not allowed', async () => {
    const dir = await createOldRun({ ...oldSettings, batch: 0 });
    const { message } = await expectAppError('run/damaged', () => readRun(dir));
    expect(message).toContain('settings.json, settings.microBatch: ');
  });

  it.each([null, [], 'all'])('is refused when its settings are %j', async (settings) => {
    const dir = await createOldRun(settings);
    await expectAppError('run/damaged', () => readRun(dir));
  });
});

it.each(['constructor', '__proto__', 'toString'])('an event of the type %s is kept as it is', (at) => {
  expect(translateEvent({ at, step: 1, norm: 2 })).toEqual({ type: at, step: 1, norm: 2 });
});
