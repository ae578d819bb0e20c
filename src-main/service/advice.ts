/** @file Adds settings that would fit to the error of a run that ran out of memory. */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import { addFittingChanges } from '../cost/fit.ts';
import { subjectOf } from '../cost/programs.ts';
import { costFile, parseRecord } from '../cost/record.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { readEvents } from '../store/run/events.ts';
import { readJsonIfValid } from '../store/fs/files.ts';
import { readRun } from '../store/run/runs.ts';
import type { DeviceChoice } from '../train/settings.ts';

/**
 * The error of the run in `dir`, with settings that would fit. Other errors are returned unchanged, and so is
 * this one if the settings cannot be computed.
 */
export async function addAdvice(dir: string, error: ErrorData): Promise<ErrorData> {
  if (error.code !== 'engine/out-of-memory' && error.code !== 'engine/crashed') return error;
  try {
    const { checkpoint, settings } = await readRun(dir);
    const { device, memory } = await findDevice(dir, settings.device);
    return addFittingChanges(error, subjectOf(await openCheckpoint(checkpoint)), settings, device, memory);
  } catch {
    return error;
  }
}

/**
 * The device of the last session and its memory, from its `started` event. If the engine failed before that, it
 * is the device of the settings, or of the estimate.
 */
async function findDevice(
  dir: string,
  chosen: DeviceChoice,
): Promise<{ readonly device: DeviceKind; readonly memory: number | null }> {
  const started = (await readEvents(dir)).findLast((event) => event.type === 'started');
  const device = started?.device ?? (chosen === 'auto' ? await readEstimatedDevice(dir) : chosen) ?? 'cpu';
  return { device, memory: device === 'cpu' ? totalmem() : (started?.memory ?? null) };
}

const readEstimatedDevice = async (dir: string): Promise<DeviceKind | undefined> =>
  parseRecord(await readJsonIfValid(join(dir, costFile)))?.kind;
