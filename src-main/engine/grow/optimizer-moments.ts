/**
 * @file Grows the optimizer moments of a run's checkpoint together with its weights, and loads them at the start
 * of a new run. See docs/methods.md, Learning rates and moments.
 */
import { basename } from 'node:path';
import type { GrowEvent } from '../../contract/schema.ts';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { gradScalePowers, growMomentThroughStages, type MomentPart } from '../../growth/apply/moments.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import type { GrowthRecord } from '../../model/records.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import {
  openGrownMoments,
  createGrownMoments,
  openStepMoments,
  findStepFolder,
  momentName,
  type MomentsFile,
} from '../../store/checkpoint/moments.ts';
import { downcast } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { partsOf } from '../../train/optimizers/index.ts';
import { stateName } from '../../train/state.ts';
import type { Device } from '../ort/device.ts';
import { readStepRecord } from '../../store/run/step-record.ts';
import { uploadBucket, type LoadedModel } from '../model/weights.ts';

/** The moments of a source, ready to be grown. */
export interface MomentGrowth {
  readonly record: NonNullable<GrowthRecord['moments']>;
  /** Bytes of the grown moments. */
  readonly bytes: number;
  /** Writes the grown moments into the folder of a checkpoint that is being written. */
  write(dir: string, signal: AbortSignalLike): AsyncGenerator<GrowEvent>;
}

/** A moment of a grown weight. `isNew`: nothing of the source corresponds to it, so it starts at zero. */
interface GrownMoment {
  readonly name: string;
  readonly part: MomentPart;
  readonly weight: string;
  readonly shape: readonly number[];
  readonly isNew: boolean;
}

/** Returns null if `source` is not the model of a step of a run, or if the step has no moments. */
export async function planMomentGrowth(
  source: Checkpoint,
  stages: readonly GrowthPlan[],
): Promise<MomentGrowth | null> {
  const step = await findStepFolder(source.dir);
  if (step === null) return null;
  const { updates } = await readStepRecord({ step: Number(basename(step).replace(/^step-/, '')), dir: step });
  const file = await openStepMoments(step);
  const { parts, moments } = listGrownMoments(file, stages);
  if (parts.length === 0) return null;
  return {
    record: { parts, updates },
    bytes: moments.reduce((sum, { shape }) => sum + 4 * countElements(shape), 0),
    async *write(dir, signal) {
      const writer = await createGrownMoments(dir, moments);
      try {
        for (const [i, { name, part, weight, shape, isNew }] of moments.entries()) {
          if (signal.aborted) refuse('cancelled', { what: 'Growing' });
          const values = isNew
            ? new Float32Array(countElements(shape))
            : await growMomentThroughStages(stages, weight, part, (p, n) => file.read(p, n));
          await writer.write(name, downcast(values, 'float32'));
          yield { type: 'moments', done: i + 1, of: moments.length };
        }
        await writer.finish();
      } catch (error) {
        await writer.abort();
        throw error;
      }
    },
  };
}

/** Lists the parts of the state, and the moments of all grown weights sorted by their names in the file. */
function listGrownMoments(
  file: MomentsFile,
  stages: readonly GrowthPlan[],
): { readonly parts: readonly MomentPart[]; readonly moments: readonly GrownMoment[] } {
  const weights = stages.at(-1)!.tensors.map(({ name, to: shape }) => {
    const source = findSourceWeight(stages, name);
    const sourceShape = file.shapes.get(`expAvg.${source}`) ?? file.shapes.get(`momentum.${source}`);
    const sourceParts = momentParts.filter((part) => file.shapes.has(`${part}.${source}`));
    // A router is a matrix made from a vector: the source has no moments for it.
    return { name, shape, sourceParts, isNew: sourceShape?.length !== shape.length };
  });
  const parts = [...new Set(weights.flatMap(({ sourceParts }) => sourceParts))];
  const moments = weights
    .flatMap(({ name: weight, shape, sourceParts, isNew }) =>
      (isNew ? parts : sourceParts).map((part) => ({
        name: momentName(part, weight),
        part,
        weight,
        shape,
        isNew,
      })),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { parts, moments };
}

const momentParts = Object.keys(gradScalePowers) as MomentPart[];

/** Returns the weight of the first source that a weight of the last stage is made from. */
const findSourceWeight = (stages: readonly GrowthPlan[], name: string): string =>
  stages.reduceRight((current, plan) => plan.tensors.find((t) => t.name === current)!.source, name);

/**
 * Loads the moments of a grown checkpoint into a model. Returns the number of updates behind them; 0, and loads
 * nothing, if there are none or they belong to another optimizer.
 */
export async function loadGrownMoments(
  device: Device,
  base: Checkpoint,
  { model, tensors }: LoadedModel,
): Promise<number> {
  const record = base.growth?.moments;
  const file = record && (await openGrownMoments(base.dir));
  if (!record || !file) return 0;
  const needed = model.buckets.flatMap((bucket) =>
    partsOf(bucket)
      .filter((part) => part !== 'weights')
      .map((part) => ({ bucket, part })),
  );
  const hasAll = needed.every(({ bucket, part }) =>
    bucket.slots.every(({ name }) => file.shapes.has(`${part}.${name}`)),
  );
  if (!hasAll) return 0;
  for (const { bucket, part } of needed) {
    const values = await uploadBucket(device, bucket, (name) => file.read(part, name));
    tensors.set(stateName(part, bucket), values);
  }
  return record.updates;
}
