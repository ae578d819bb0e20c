/**
 * @file Settings that fit: they really need less, keep the sequences of an update, come from the least
 * intrusive on; and which errors get them.
 */
import { describe, expect, it } from 'vitest';
import { wordsOf } from '../../src-main/base/errors.ts';
import { explained, settingsThatFit } from '../../src-main/cost/fit.ts';
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
const s: TrainingSettings = { ...trainingDefaults, batch: 480, sequence: 256, heldOut: 0 };
const needs = (settings: TrainingSettings, device: DeviceKind = 'cpu'): number =>
  memoryOf(programsOf(subject, settings, device), settings, device).total.likely;

describe.each(['cpu', 'webgpu', 'cuda'] as const)('on %s', (device) => {
  it.each([null, 0.95, 0.8])('offers what stays within the memory (%s of what it needs now)', (share) => {
    const now = needs(s, device);
    const capacity = share === null ? null : share * now;
    const fits = settingsThatFit(subject, s, device, capacity);
    expect(fits).toHaveLength(3);
    for (const { change, bytes, what } of fits) {
      const next = { ...s, ...change };
      expect([what, bytes]).toEqual([what, needs(next, device)]);
      expect(bytes).toBeLessThan(Math.min(now, capacity ?? Infinity));
      expect([next.batch * next.accumulate, next.sequence]).toEqual([s.batch * s.accumulate, s.sequence]);
      for (const [key, value] of Object.entries(change)) expect(what).toContain(`${key} ${value}`);
    }
  });
});

it('begins with half the batch, takes divisors only, and shortens the text last', () => {
  expect(settingsThatFit(subject, s, 'cpu', null)[0]!.change).toEqual({ batch: 240, accumulate: 2 });
  expect(settingsThatFit(subject, { ...s, batch: 7 }, 'cpu', null).map((f) => f.change)).toContainEqual({
    batch: 1,
    accumulate: 7,
  });
  const alone = { ...s, batch: 1, recompute: 'full' as const, sequence: 1024 };
  const fits = settingsThatFit(subject, alone, 'cpu', null);
  expect(fits.map((f) => f.change.sequence)).toEqual([512, 256, 128].slice(0, fits.length));
  expect(fits.length).toBeGreaterThan(0);
});

it('offers bits only where the device has them', () => {
  const precisions = (device: DeviceKind): unknown[] =>
    settingsThatFit(subject, { ...s, batch: 1, recompute: 'full' }, device, null).map(
      (f) => f.change.precision,
    );
  expect(precisions('cpu').some(Boolean)).toBe(false);
  expect(precisions('cuda').filter(Boolean)).not.toContain('float16');
});

it('offers nothing twice', () => {
  const wide: Subject = { ...subject, dims: { ...subject.dims, ffn: 65_536 } };
  const offered = settingsThatFit(
    wide,
    { ...s, batch: 1, recompute: 'full', sequence: 1024 },
    'cuda',
    null,
  ).map((f) => f.what);
  expect(offered[0]).toBe('precision bfloat16');
  expect(offered).toEqual([...new Set(offered)]);
});

it('offers nothing where nothing fits, and says so', () => {
  expect(settingsThatFit(subject, s, 'cpu', 1e6)).toEqual([]);
  expect(
    wordsOf(
      explained(
        { code: 'engine/out-of-memory', detail: { device: 'cpu', detail: 'x' } },
        subject,
        s,
        'cpu',
        1e6,
      ),
    )[1],
  ).toContain('No setting makes it fit');
});

describe('an error', () => {
  const killed = {
    code: 'engine/crashed',
    detail: { how: 'killed by the system, which may have been short of memory', lines: '' },
  } as const;
  it('of memory names three settings', () => {
    const error = explained(
      { code: 'engine/out-of-memory', detail: { device: 'cuda', detail: 'x' } },
      subject,
      s,
      'cuda',
      null,
    );
    const [sentence, remedy] = wordsOf(error);
    expect(sentence).toBe('cuda ran out of memory');
    expect(remedy.match(/ [MG]B\)/g)).toHaveLength(3);
    expect(remedy).toContain('cambium resume');
  });
  it('of a process that the system killed counts where the memory was nearly spent, and else stays', () => {
    expect(explained(killed, subject, s, 'cpu', 1.2 * needs(s))).toMatchObject({
      code: 'engine/out-of-memory',
      detail: { device: 'cpu', fits: [{}, {}, {}] },
    });
    expect(explained(killed, subject, s, 'cpu', 100 * needs(s))).toEqual(killed);
    for (const capacity of [null, 1.2 * needs(s, 'cuda')])
      // the system kills for its own memory
      expect(explained(killed, subject, s, 'cuda', capacity)).toEqual(killed);
  });
  it('of another kind stays as it is', () => {
    const other = { code: 'engine/crashed', detail: { how: 'exit code 1', lines: '' } } as const;
    expect(explained(other, subject, s, 'cpu', 1)).toEqual(other);
  });
});
