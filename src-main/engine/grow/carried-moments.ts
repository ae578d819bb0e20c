/**
 * @file Optimizer moments across a growth: from a run's step through the maps of every stage into the grown
 * folder, and from there into the first step of a new run.
 */
import { basename } from 'node:path';
import type { GrowEvent } from '../../contract/schema.ts';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { momentPowers, momentThrough, type MomentPart } from '../../growth/apply/moments.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import type { GrowthRecord } from '../../model/records.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import {
  carriedMoments,
  createMoments,
  momentsOfStep,
  stepOf,
  type MomentsFile,
} from '../../store/checkpoint/moments.ts';
import { narrow } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { partsOf } from '../../train/optimizers/index.ts';
import { stateName } from '../../train/state.ts';
import type { Device } from '../ort/device.ts';
import { recordIn } from '../train/step-checkpoint.ts';
import { filled, type Loaded } from '../model/weights.ts';

/** Moments that a source brings, ready to go through `stages`. */
export interface Carried {
  readonly record: NonNullable<GrowthRecord['moments']>;
  /** Of all grown moments. */
  readonly bytes: number;
  /** Writes them into a folder that is being made. */
  write(dir: string, signal: AbortSignalLike): AsyncGenerator<GrowEvent>;
}

/** The moments of the run's step whose model is the source, or null where it is not one of a run. */
export async function momentsFrom(
  source: Checkpoint,
  stages: readonly GrowthPlan[],
): Promise<Carried | null> {
  const step = await stepOf(source.dir);
  if (step === null) return null;
  const { updates } = await recordIn({ step: Number(basename(step).replace(/^step-/, '')), dir: step });
  const file = await momentsOfStep(step);
  const every = stages.at(-1)!.tensors.map(({ name, to }) => {
    const root = rootOf(stages, name);
    return {
      name,
      to,
      own: partsIn(file, root),
      anew: (file.shapes.get(`mean.${root}`) ?? file.shapes.get(`momentum.${root}`))?.length !== to.length,
    };
  });
  const parts = [...new Set(every.flatMap(({ own }) => own))];
  // What stands for nothing of the source, such as a router, which is a matrix beside a vector, begins
  // without moments, whichever it will have.
  const held = every
    .flatMap(({ name, to, own, anew }) =>
      (anew ? parts : own).map((part) => ({ part, of: name, name: `${part}.${name}`, shape: to, anew })),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (parts.length === 0) return null;
  return {
    record: { parts, updates },
    bytes: held.reduce((n, { shape }) => n + 4 * countOf(shape), 0),
    async *write(dir, signal) {
      const out = await createMoments(dir, held);
      try {
        for (const [i, { part, of, name, shape, anew }] of held.entries()) {
          if (signal.aborted) refuse('cancelled', { what: 'Growing' });
          await out.write(
            name,
            narrow(
              anew
                ? new Float32Array(countOf(shape))
                : await momentThrough(stages, of, part, (p, n) => file.read(p, n)),
              'float32',
            ),
          );
          yield { at: 'moments', done: i + 1, of: held.length };
        }
        await out.finish();
      } catch (error) {
        await out.abort();
        throw error;
      }
    },
  };
}

/** The weight of the first source that a weight of the last stage begins from. */
const rootOf = (stages: readonly GrowthPlan[], name: string): string =>
  stages.reduceRight((n, plan) => plan.tensors.find((t) => t.name === n)!.source, name);
const partsIn = ({ shapes }: MomentsFile, name: string): readonly MomentPart[] =>
  (Object.keys(momentPowers) as MomentPart[]).filter((part) => shapes.has(`${part}.${name}`));

/**
 * Puts the moments that came with a grown checkpoint into a loaded model, and answers how many updates they
 * have seen; 0, and nothing put, where none came or they are another optimizer's.
 */
export async function startFromCarried(
  device: Device,
  base: Checkpoint,
  { model, tensors }: Loaded,
): Promise<number> {
  const record = base.growth?.moments;
  const file = record && (await carriedMoments(base.dir));
  if (!record || !file) return 0;
  const wanted = model.buckets.flatMap((bucket) =>
    partsOf(bucket)
      .filter((part) => part !== 'weights')
      .map((part) => ({ bucket, part })),
  );
  if (
    !wanted.every(({ bucket, part }) => bucket.slots.every(({ name }) => file.shapes.has(`${part}.${name}`)))
  )
    return 0;
  for (const { bucket, part } of wanted)
    tensors.set(stateName(part, bucket), await filled(device, bucket, (name) => file.read(part, name)));
  return record.updates;
}
