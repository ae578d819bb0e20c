/**
 * @file Where a run is: the checkpoint that it continues, what its record says, the stage that it is in, and how its
 * model is loaded.
 */
import { join } from 'node:path';
import { resolveSettings } from '../../cost/checkpointing.ts';
import { trainingFlopsPerToken } from '../../cost/flops.ts';
import { subjectOf, trainableIn } from '../../cost/programs.ts';
import { findAddedEntries, maskOf } from '../../growth/added-entries.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import { newestStep } from '../../store/run/runs.ts';
import { readStepRecord, type StepRecord } from '../../store/run/step-record.ts';
import { mupFactors, mupModelOf } from '../../train/mup.ts';
import type { RunSettings } from '../../train/run.ts';
import { stageOf, type TrainingStage } from '../../train/stages.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { readFactors, retypeCheckpoint, type LoadOptions, type WeightSource } from '../model/weights.ts';
import { findAdapter } from '../ort/adapters.ts';
import type { Device } from '../ort/device.ts';
import type { ResolvedSettings } from './training.ts';

export interface RunPosition {
  /** The newest checkpoint of the run, or the one that it begins with. Its config says float32. */
  readonly base: Checkpoint;
  readonly weights: WeightSource;
  /** Undefined at the start of the run. */
  readonly record: StepRecord | undefined;
  readonly stage: TrainingStage;
}

export async function openPosition(dir: string, run: RunSettings): Promise<RunPosition> {
  const newest = await newestStep(dir);
  const record = newest ? await readStepRecord(newest) : undefined;
  const opened = await openCheckpoint(newest ? join(newest.dir, modelFolder) : run.checkpoint);
  // Training and its checkpoints are float32.
  const { checkpoint, weights } = retypeCheckpoint(opened, 'float32');
  const stage = stageOf(run, record?.stages);
  // Random weights were not made by the growth of the checkpoint, so what is saved must not have its record.
  const base = stage.settings.init === 'random' ? { ...checkpoint, growth: null } : checkpoint;
  return { base, weights, record, stage };
}

/** The stage of the newest checkpoint, from 1. */
export async function stageNumber(dir: string): Promise<number> {
  const newest = await newestStep(dir);
  const record = newest ? await readStepRecord(newest) : undefined;
  return record?.stages?.length ?? 1;
}

/** The settings of a stage on the device. */
export const resolveOn = (device: Device, base: Checkpoint, settings: TrainingSettings): ResolvedSettings =>
  resolveSettings(subjectOf(base), settings, device.kind, findAdapter(device.kind).memory);

/** Training FLOPs of one token. */
export const countFlops = (device: Device, base: Checkpoint, settings: ResolvedSettings): number =>
  trainingFlopsPerToken(subjectOf(base), settings, device.kind);

/** How the weights of a stage are loaded for training. `isUnfrozen`: frozen weights are trained too by now. */
export function loadOptionsOf(
  base: Checkpoint,
  settings: TrainingSettings,
  isUnfrozen: boolean,
): LoadOptions & { readonly emaDecay: number } {
  const { init, perTensorLr, optimizer, emaDecay } = settings;
  const mup = mupModelOf(base, settings);
  const grown =
    init === 'checkpoint' && (mup !== undefined || perTensorLr === 'on') ? readFactors(base) : undefined;
  const factors = mup ? mupFactors(mup, grown) : grown;
  const trainable = trainableIn(subjectOf(base), { ...settings, isUnfrozen });
  return {
    optimizer,
    emaDecay,
    ...(trainable ? { trainable, maskOf: createMasks(base) } : {}),
    ...(factors ? { factors } : {}),
  };
}

/** The new entries of the weights that the growth of a checkpoint widened, as masks. */
function createMasks({ growth }: Checkpoint): NonNullable<LoadOptions['maskOf']> {
  const entries = findAddedEntries(stagesFromRecord(growth));
  return ({ name, shape }) => maskOf(entries.get(name)!, shape);
}
