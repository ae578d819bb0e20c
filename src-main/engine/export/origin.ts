/** @file The model that is exported for inference: a checkpoint, or the weights of a run. */
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { isRun, readRun } from '../../store/run/runs.ts';
import type { ExportInput } from '../inputs.ts';
import { createCheckpointCard } from '../model-card/checkpoint-card.ts';
import type { ModelCardFiles } from '../model-card/shared.ts';
import { createTrainingCard } from '../model-card/training-card.ts';
import { checkpointWeights, type WeightSource } from '../model/weights.ts';
import { savedWeights } from '../train/step-checkpoint.ts';

/** The model that is exported, and what its model card says. */
export interface Origin {
  readonly checkpoint: Checkpoint;
  readonly source: WeightSource;
  readonly cardFiles: ModelCardFiles;
}

/** Opens a checkpoint, or the weights of a run. */
export async function openOrigin({
  run: dir,
  weights: kind = 'raw',
  step: chosen,
}: ExportInput): Promise<Origin> {
  if (!(await isRun(dir))) {
    const checkpoint = await openCheckpoint(dir);
    const cardFiles = await createCheckpointCard(checkpoint);
    return { checkpoint, source: checkpointWeights(checkpoint), cardFiles };
  }
  const run = await readRun(dir);
  const { checkpoint, step, source } = await savedWeights(dir, kind, {
    latest: run.settings.averageCheckpoints,
    step: chosen,
  });
  const cardFiles = await createTrainingCard(dir, run, { model: checkpoint, step, kind });
  return { checkpoint, source, cardFiles };
}
