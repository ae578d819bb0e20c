/** @file What `auto` of activation checkpointing stands for: as little as the memory of a device needs. */
import { describe, expect, it } from 'vitest';
import { deviceKinds } from '../../src-main/base/device.ts';
import { chooseCheckpointing, resolveSettings } from '../../src-main/cost/checkpointing.ts';
import { memoryOf } from '../../src-main/cost/memory.ts';
import { programsOf } from '../../src-main/cost/programs.ts';
import type { ActivationCheckpointing } from '../../src-main/graph/passes/activation-checkpointing.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { goldenSubjects } from './golden-subjects.ts';

const bytes: Readonly<Record<ActivationCheckpointing, number>> = { off: 100, attention: 60, full: 20 };
const bytesWith = (checkpointing: ActivationCheckpointing): number => bytes[checkpointing];
const auto = { ...trainingDefaults, activationCheckpointing: 'auto' } as const;

describe.each(deviceKinds)('on %s', (device) => {
  const choose = (capacity: number | null, contextLength = 64): ActivationCheckpointing =>
    chooseCheckpointing({ ...auto, contextLength }, device, capacity, bytesWith);

  it('recomputes more, the less memory there is', () => {
    expect(choose(1000)).toBe('off');
    const steps = [400, 200, 120, 80, 40, 10].map((capacity) => bytes[choose(capacity)]);
    expect(steps).toEqual(steps.toSorted((a, b) => b - a));
    expect(new Set(steps)).toEqual(new Set([100, 60, 20]));
  });

  it('goes by the context length where the memory is unknown', () => {
    expect(choose(null, 128)).toBe('off');
    expect(choose(null, 1024)).toBe('attention');
  });

  it('keeps a choice of the user', () => {
    const fixed = { ...auto, activationCheckpointing: 'full' } as const;
    expect(chooseCheckpointing(fixed, device, 1e12, bytesWith)).toBe('full');
  });

  it('plans with the predicted memory of the run', () => {
    const { subject } = goldenSubjects[0]!;
    const predict = (activationCheckpointing: ActivationCheckpointing): number => {
      const settings = { ...auto, activationCheckpointing };
      return memoryOf(programsOf(subject, settings, device), settings, device).total.likely;
    };
    expect(resolveSettings(subject, auto, device, 100 * predict('off')).activationCheckpointing).toBe('off');
    expect(resolveSettings(subject, auto, device, 0.01 * predict('full')).activationCheckpointing).toBe(
      'full',
    );
  });
});
