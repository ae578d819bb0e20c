/**
 * @file What an engine that ran out of memory says of its run: the settings that would fit on the device it
 * was on.
 */
import type { DeviceKind } from '../../base/device.ts';
import type { ErrorData } from '../../base/errors.ts';
import { explained } from '../../cost/fit.ts';
import { subjectOf } from '../../cost/programs.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import type { RunSettings } from '../../train/run.ts';
import { adapterOf } from '../ort/adapters.ts';
import { deviceKinds } from '../ort/device-tensor.ts';

/** The error with its advice; as it is where it is another, or where the advice cannot be worked out. */
export async function advised(
  error: ErrorData,
  { checkpoint, settings }: Pick<RunSettings, 'checkpoint' | 'settings'>,
): Promise<ErrorData> {
  if (error.code !== 'engine/out-of-memory') return error;
  const said = (error.detail as { device: string }).device;
  const device: DeviceKind = deviceKinds.find((kind) => kind === said) ?? 'cpu';
  try {
    return explained(
      error,
      subjectOf(await openCheckpoint(checkpoint)),
      settings,
      device,
      adapterOf(device).memory,
    );
  } catch {
    return error;
  }
}
