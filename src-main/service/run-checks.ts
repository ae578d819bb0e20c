/**
 * @file Checks a training request before the folder of its run exists: what cannot end is refused. What is only
 * likely to fail, or unknown, is left to the run.
 */
import { isDatasetName } from '../base/dataset-name.ts';
import { refuse } from '../base/errors.ts';
import type { Device, TrainingRequest } from '../contract/schema.ts';
import type { Estimate } from '../cost/estimate.ts';
import type { Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { getDataBytes } from '../store/data/dataset-files.ts';
import { findExistingAncestor, getFreeBytes } from '../store/fs/folder.ts';
import { checkPrecision, precisionsOf } from '../train/precision.ts';
import { checkContextLength, enoughTokens, textParts, type RunText } from '../train/run-text.ts';
import { longestContext } from '../train/stages.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { Dependencies } from './dependencies.ts';
import { withEngine } from './engines.ts';

/** A text of more bytes than this for each token of a context is long enough without being counted. */
const bytesPerToken = 256;
/** A driver that does not answer within this time must not hold up a run. */
const deviceMilliseconds = 20_000;

/** What the checks ask of the rest of the service. */
export interface RunCheckSources {
  /** The estimate of a run on the device that it would use; undefined if nothing is known about one. */
  estimateRun(dir: string, settings: TrainingSettings): Promise<Estimate | undefined>;
  listDevices(): Promise<readonly Device[]>;
}

/** A request whose paths are absolute. */
export type RunCheck = (request: TrainingRequest, checkpoint: Checkpoint) => Promise<void>;

/**
 * The check of a new run. It throws `run/bad-setting` for a context that is longer than the model's positions,
 * `data/empty` for a text that is shorter than one window, `run/precision` and `engine/no-device` for a device that
 * cannot train like this, `engine/does-not-fit` for a run that needs more memory than the device has, and
 * `file/no-space` for checkpoints that the disk cannot hold.
 */
export function createRunCheck(
  { home, processes }: Pick<Dependencies, 'home' | 'processes'>,
  sources: RunCheckSources,
): RunCheck {
  const checkText = async (run: RunText, { checkpoint, field }: TrainingRequest): Promise<void> => {
    const atLeast = enoughTokens(run);
    // The size of a dataset on the Hub is not known before it is read.
    const local = run.data.filter((data) => !isDatasetName(data));
    const sizes = await Promise.all(local.map(getDataBytes));
    const shortest = run.weights ? Math.min(...sizes, Infinity) : sizes.reduce((a, b) => a + b, 0);
    const isLong = shortest > bytesPerToken * atLeast;
    if (isLong && local.length === run.data.length) return;
    const counts =
      isLong || local.length === 0
        ? local.map(() => atLeast)
        : await withEngine(processes, {}, (engine) =>
            engine.countTokens({ checkpoint, data: [...local], field, atLeast }),
          );
    let next = 0;
    textParts(
      run,
      run.data.map((data) => (isDatasetName(data) ? { estimate: atLeast } : counts[next++]!)),
    );
  };

  return async (request, checkpoint) => {
    const { data, settings, weights, validation, stages, launch, out } = request;
    const run = {
      ...{ data, settings },
      ...(weights ? { weights } : {}),
      ...(validation ? { validation } : {}),
      ...(stages ? { stages } : {}),
    };
    checkContextLength(checkpoint, { contextLength: longestContext(run) });
    await checkText(run, request);
    // PyTorch trains on devices that this computer need not have.
    if (launch) return;
    const devices = await withTimeout(sources.listDevices());
    if (devices) checkDevice(devices, settings);
    const estimated = devices && (await sources.estimateRun(checkpoint.dir, settings));
    if (!estimated) return;
    checkMemory(estimated);
    await checkDisk(estimated, settings, out ?? home.dir);
  };
}

/** The result of `work`; undefined if it fails or takes too long. */
async function withTimeout<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined);
    }, deviceMilliseconds);
  });
  try {
    return await Promise.race([work.catch(() => undefined), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function checkDevice(devices: readonly Device[], { device, precision }: TrainingSettings): void {
  const available = devices.filter((one) => one.available).map(({ id }) => id);
  if (device === 'auto') {
    const canTrain = available.some((id) => precisionsOf(id).includes(precision));
    if (!canTrain && available.length > 0) checkPrecision(available[0]!, precision);
    return;
  }
  checkPrecision(device, precision);
  const chosen = devices.find(({ id }) => id === device);
  if (chosen?.available) return;
  refuse('engine/no-device', { device, why: chosen?.why ?? 'it is not on this computer' });
}

/** Refuses only what does not fit by the lower end of the estimate: its upper end may be wrong by a third. */
function checkMemory({ here: [used] }: Estimate): void {
  const capacity = used?.target.memory ?? null;
  if (!used || capacity === null || used.memory.total.low <= capacity) return;
  refuse('engine/does-not-fit', {
    device: used.target.name,
    needed: used.memory.total.low,
    capacity,
    fits: used.alternatives ?? [],
  });
}

/** A save is written before the oldest one is removed. */
async function checkDisk(
  { disk, steps }: Estimate,
  { saveEvery }: TrainingSettings,
  dir: string,
): Promise<void> {
  const path = await findExistingAncestor(dir);
  const saves = saveEvery > 0 ? Math.ceil(steps / saveEvery) : 1;
  const needed = Math.min(saves, disk.kept + 1) * disk.perSave;
  const free = await getFreeBytes(path);
  if (needed > free) refuse('file/no-space', { path, needed, free });
}
