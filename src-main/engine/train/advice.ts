/** @file Adds to an out-of-memory error the settings that would fit on the device. */
import { deviceKinds } from '../../base/device.ts';
import type { ErrorData } from '../../base/errors.ts';
import { addFittingChanges } from '../../cost/fit.ts';
import { subjectOf } from '../../cost/programs.ts';
import type { RunSettings } from '../../train/run.ts';
import { findAdapter } from '../ort/adapters.ts';
import { openPosition } from './run-position.ts';

/** The error with its advice. Any other error, and one whose advice cannot be computed, is returned as it is. */
export async function addMemoryAdvice(error: ErrorData, dir: string, run: RunSettings): Promise<ErrorData> {
  if (error.code !== 'engine/out-of-memory') return error;
  const named = (error.detail as { device: string }).device;
  const device = deviceKinds.find((kind) => kind === named) ?? 'cpu';
  try {
    const { base, stage } = await openPosition(dir, run);
    return addFittingChanges(error, subjectOf(base), stage.settings, device, findAdapter(device).memory);
  } catch {
    return error;
  }
}
