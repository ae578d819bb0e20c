/**
 * @file What the service says of a run whose engine is gone: out of memory, or killed by a system that had
 * none left, and the settings that would fit.
 */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import { explained } from '../cost/fit.ts';
import { subjectOf } from '../cost/programs.ts';
import { costFile, recordIn } from '../cost/record.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { readEvents } from '../store/run/events.ts';
import { readIfSound } from '../store/fs/files.ts';
import { readRun } from '../store/run/runs.ts';
import type { DeviceChoice } from '../train/settings.ts';

/** The error with its advice; as it is where it is another, or where the advice cannot be worked out. */
export async function adviceOn(dir: string, error: ErrorData): Promise<ErrorData> {
  if (error.code !== 'engine/out-of-memory' && error.code !== 'engine/crashed') return error;
  try {
    const { checkpoint, settings } = await readRun(dir);
    const { device, memory } = await deviceOf(dir, settings.device);
    return explained(error, subjectOf(await openCheckpoint(checkpoint)), settings, device, memory);
  } catch {
    return error;
  }
}

/**
 * What the run was on and what that holds, as its engine said when it began; an engine that did not come so
 * far was on what was asked for, else on what was estimated.
 */
async function deviceOf(
  dir: string,
  asked: DeviceChoice,
): Promise<{ readonly device: DeviceKind; readonly memory: number | null }> {
  const started = (await readEvents(dir)).findLast((event) => event.at === 'started');
  const device =
    started?.device ?? (asked === 'auto' ? recordIn(await readIfSound(join(dir, costFile)))?.kind : asked);
  return { device: device ?? 'cpu', memory: device === 'cpu' ? totalmem() : (started?.memory ?? null) };
}
