import { describe, expect, it } from 'vitest';
import { describeError } from '../../src-main/base/errors.ts';
import { addFittingChanges, settingsThatFit } from '../../src-main/cost/fit.ts';
import { memoryOf } from '../../src-main/cost/memory.ts';
import { programsOf, type Subject } from '../../src-main/cost/programs.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { trainingDefaults, type DeviceKind, type TrainingSettings } from '../../src-main/train/settings.ts';
import { tinyConfig } from '../support/tiny.ts';

const config = tinyConfig('llama', { dims: { hidden: 64, layers: 4, ffn: 128, vocab: 500 } });
const family = families.get('llama')!;
const subject: Subject = {
  family: 'llama',
  dims: dimsOf(family, config),
  settings: settingsOf(family, config),
};
const s: TrainingSettings = { ...trainingDefaults, microBatch: 480, contextLength: 256, heldOut: 0 };
const flagNames: Readonly<Record<string, string>> = {
  microBatch: 'micro-batch',
  gradAccum: 'grad-accum',
  activationCheckpointing: 'activation-checkpointing',
  precision: 'precision',
  contextLength: 'context-length',
};
const needs = (settings: TrainingSettings, device: DeviceKind = 'cpu'): number =>
  memoryOf(programsOf(subject, settings, device), settings, device).total.likely;

describe.each(['cpu', 'webgpu', 'cuda'] as const)('on %s', (device) => {
  it.each([null, 0.95, 0.8])('offers changes that fit %s of the memory needed now', (share) => {
    const now = needs(s, device);
    const capacity = share === null ? null : share * now;
    const fits = settingsThatFit(subject, s, device, capacity);
    expect(fits).toHaveLength(3);
    for (const { change, bytes, what } of fits) {
      const next = { ...s, ...change };
      expect([what, bytes]).toEqual([what, needs(next, device)]);
      expect(bytes).toBeLessThan(Math.min(now, capacity ?? Infinity));
      expect([next.microBatch * next.gradAccum, next.contextLength]).toEqual([
        s.microBatch * s.gradAccum,
        s.contextLength,
      ]);
      for (const [key, value] of Object.entries(change))
        expect(what).toContain(`${flagNames[key]!} ${value}`);
    }
  });
});

it('starts with half the micro-batch, uses divisors only, and shortens the context last', () => {
  expect(settingsThatFit(subject, s, 'cpu', null)[0]!.change).toEqual({ microBatch: 240, gradAccum: 2 });
  expect(settingsThatFit(subject, { ...s, microBatch: 7 }, 'cpu', null).map((f) => f.change)).toContainEqual({
    microBatch: 1,
    gradAccum: 7,
  });
  const alone = { ...s, microBatch: 1, activationCheckpointing: 'full' as const, contextLength: 1024 };
  const fits = settingsThatFit(subject, alone, 'cpu', null);
  expect(fits.map((f) => f.change.contextLength)).toEqual([512, 256, 128].slice(0, fits.length));
  expect(fits.length).toBeGreaterThan(0);
});

it('offers only precisions that the device has', () => {
  const precisions = (device: DeviceKind): unknown[] =>
    settingsThatFit(subject, { ...s, microBatch: 1, activationCheckpointing: 'full' }, device, null).map(
      (f) => f.change.precision,
    );
  expect(precisions('cpu').some(Boolean)).toBe(false);
  expect(precisions('cuda').filter(Boolean)).not.toContain('float16');
});

it('offers no change twice', () => {
  const wide: Subject = { ...subject, dims: { ...subject.dims, ffn: 65_536 } };
  const offered = settingsThatFit(
    wide,
    { ...s, microBatch: 1, activationCheckpointing: 'full', contextLength: 1024 },
    'cuda',
    null,
  ).map((f) => f.what);
  expect(offered[0]).toBe('precision bfloat16');
  expect(offered).toEqual([...new Set(offered)]);
});

it('offers nothing if nothing fits', () => {
  expect(settingsThatFit(subject, s, 'cpu', 1e6)).toEqual([]);
  expect(
    describeError(
      addFittingChanges(
        { code: 'engine/out-of-memory', detail: { device: 'cpu', detail: 'x' } },
        subject,
        s,
        'cpu',
        1e6,
      ),
    )[1],
  ).toContain('No setting makes it fit');
});

describe('addFittingChanges', () => {
  const killed = {
    code: 'engine/crashed',
    detail: { how: 'killed by the system, which may have been short of memory', lines: '' },
  } as const;
  it('adds three changes to an out-of-memory error', () => {
    const error = addFittingChanges(
      { code: 'engine/out-of-memory', detail: { device: 'cuda', detail: 'x' } },
      subject,
      s,
      'cuda',
      null,
    );
    const [sentence, remedy] = describeError(error);
    expect(sentence).toBe('cuda ran out of memory');
    expect(remedy.match(/ [MG]B\)/g)).toHaveLength(3);
    expect(remedy).toContain('cambium resume');
  });
  it('treats a killed process as out of memory only if the prediction is near the capacity', () => {
    expect(addFittingChanges(killed, subject, s, 'cpu', 1.2 * needs(s))).toMatchObject({
      code: 'engine/out-of-memory',
      detail: { device: 'cpu', fits: [{}, {}, {}] },
    });
    expect(addFittingChanges(killed, subject, s, 'cpu', 100 * needs(s))).toEqual(killed);
    for (const capacity of [null, 1.2 * needs(s, 'cuda')])
      // the system kills for its own memory
      expect(addFittingChanges(killed, subject, s, 'cuda', capacity)).toEqual(killed);
  });
  it('returns other errors unchanged', () => {
    const other = { code: 'engine/crashed', detail: { how: 'exit code 1', lines: '' } } as const;
    expect(addFittingChanges(other, subject, s, 'cpu', 1)).toEqual(other);
  });
});
