/**
 * @file Resolves the setting `auto` of activation checkpointing: as little is recomputed as the memory of the
 * device allows.
 */
import type { DeviceKind } from '../base/device.ts';
import {
  resolveCheckpointing,
  type ActivationCheckpointing,
} from '../graph/passes/activation-checkpointing.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { memoryOf } from './memory.ts';
import { programsOf, type Subject } from './programs.ts';

/** The share of the device's memory that a run may plan with. Other programs use the memory of the host too. */
const plannedShare: Readonly<Record<DeviceKind, number>> = { cpu: 0.5, cuda: 0.85, webgpu: 0.7 };

/** From the least recomputation to the most; the last is taken if none fits. */
const order: readonly ActivationCheckpointing[] = ['off', 'attention', 'full'];

/**
 * What a run recomputes on a device with `capacity` bytes (null: unknown, then by the context length alone).
 * `bytesWith` predicts the memory of the run.
 */
export function chooseCheckpointing(
  { activationCheckpointing: setting, contextLength }: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
  bytesWith: (checkpointing: ActivationCheckpointing) => number,
): ActivationCheckpointing {
  if (setting !== 'auto' || capacity === null) return resolveCheckpointing(setting, contextLength);
  const limit = plannedShare[device] * capacity;
  return order.find((checkpointing) => bytesWith(checkpointing) <= limit) ?? order.at(-1)!;
}

/** The settings with which `subject` is trained on a device: `auto` replaced by what it stands for there. */
export function resolveSettings(
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
): TrainingSettings & { readonly activationCheckpointing: ActivationCheckpointing } {
  const activationCheckpointing = chooseCheckpointing(s, device, capacity, (checkpointing) => {
    const settings = { ...s, activationCheckpointing: checkpointing };
    return memoryOf(programsOf(subject, settings, device), settings, device).total.likely;
  });
  return { ...s, activationCheckpointing };
}
