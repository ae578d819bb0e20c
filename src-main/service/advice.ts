/** @file What the service says of a run whose engine is gone: out of memory, or killed by a system that had none left, and the settings that would fit. */
import { totalmem } from 'node:os';
import type { ErrorData } from '../base/errors.ts';
import { explained } from '../cost/fit.ts';
import { subjectOf } from '../cost/programs.ts';
import { openCheckpoint } from '../store/checkpoint.ts';
import { readRun } from '../store/runs.ts';

/** The error with its advice; as it is where it is another, or where the advice cannot be worked out. The memory of a GPU is not known here. */
export async function adviceOn(dir: string, error: ErrorData): Promise<ErrorData> {
  if (error.code !== 'engine/out-of-memory' && error.code !== 'engine/crashed') return error;
  try {
    const { checkpoint, settings } = await readRun(dir), device = settings.device === 'auto' ? 'cpu' : settings.device;
    return explained(error, subjectOf(await openCheckpoint(checkpoint)), settings, device, device === 'cpu' ? totalmem() : null);
  } catch { return error; }
}
