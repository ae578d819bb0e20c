/**
 * @file A plan, streamed from shard to shard: one weight (or a block of its rows) in memory at a time; what
 * is half-written never looks whole.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { GrowEvent } from '../../contract/schema.ts';
import { growthRecordFile, recordText, type GrowthRecord } from '../../model/records.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import { methodsIn, stagesOf, type SavedPlan } from '../../growth/plan/saved-plan.ts';
import { familyById } from '../../model/families/index.ts';
import { createCheckpointWriter, recordCertificate } from '../../store/checkpoint/checkpoint-writer.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { removeFolder } from '../../store/fs/folder.ts';
import { bytesOf } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { growthCard } from '../model-card/cards.ts';
import { momentsFrom } from './carried-moments.ts';
import { certify } from './certify-job.ts';
import { chooseDevice } from '../device/choose.ts';
import type { Device } from '../ort/device.ts';
import { Grower } from './grower.ts';
import type { GrowInput } from '../inputs.ts';
import { version } from '../version.ts';

export interface GrowOptions {
  /** Bytes of output made at once (16 MiB). */
  readonly blockBytes?: number;
}

/**
 * Grows, certifies, and only then says done. Cancelled, failed or left in the middle, it leaves nothing
 * behind.
 */
export async function* grow(
  { source: dir, out, plan, device: choice }: GrowInput,
  signal: AbortSignalLike,
  options: GrowOptions = {},
): AsyncGenerator<GrowEvent> {
  const source = await openCheckpoint(dir);
  const started = performance.now();
  const device = await chooseDevice(choice);
  let standing = false;
  let done = false;
  try {
    const bytes = yield* writeGrown(device, source, plan, out, signal, options);
    standing = true;
    yield { at: 'certifying' };
    const certificate = await certify(device, dir, out, { signal });
    stopWhen(signal);
    await recordCertificate(out, certificate);
    done = true;
    yield {
      at: 'done',
      dir: out,
      seconds: (performance.now() - started) / 1000,
      bytes,
      certificate,
      device: device.kind,
    };
  } finally {
    if (standing && !done) await removeFolder(out);
    await device.dispose();
  }
}

/**
 * Writes the grown folder in one pass over the weights, whole or not at all, without a certificate; answers
 * with the bytes of its weights. A plan of one stage may stand for itself.
 */
export async function* writeGrown(
  device: Device,
  source: Checkpoint,
  plan: SavedPlan | GrowthPlan,
  out: string,
  signal: AbortSignalLike,
  { blockBytes = 2 ** 24 }: GrowOptions = {},
): AsyncGenerator<GrowEvent, number> {
  const started = performance.now();
  const stages = stagesOf({ plan });
  const last = stages.at(-1)!;
  const { before = [], plan: made } = source.growth ?? {};
  const carried = await momentsFrom(source, stages);
  const record: GrowthRecord = {
    version: 1,
    source: source.dir,
    method: methodsIn(stages),
    plan,
    ...(made ? { before: [...before, made] } : {}),
    ...(carried ? { moments: carried.record } : {}),
    certificate: null,
    cambium: version,
  };
  const writer = await createCheckpointWriter({
    target: out,
    family: familyById(last.family),
    prefix: source.prefix,
    config: last.config,
    tensors: last.tensors.map((t) => ({ name: t.name, dtype: t.dtype, shape: t.to })),
    sideFilesFrom: source.dir,
    card: await growthCard(source, stages),
    needed: carried ? carried.bytes + weightBytes(last) : 0,
  });
  const recipes = new Map(last.tensors.map((t) => [t.name, t]));
  const grower = new Grower(device, source, stages, blockBytes);
  let writing: Promise<void> = Promise.resolve();
  try {
    let bytes = 0;
    let tensors = 0;
    for (const [i, name] of writer.order.entries()) {
      stopWhen(signal);
      for await (const block of grower.weight(recipes.get(name)!, recipes.get(writer.order[i + 1] ?? ''))) {
        await writing;
        stopWhen(signal);
        writing = writer.write(name, block);
        writing.catch(() => undefined); // heard at the next block
        bytes += block.byteLength;
      }
      yield {
        at: 'tensor',
        name,
        tensors: ++tensors,
        ofTensors: writer.order.length,
        bytes,
        ofBytes: writer.bytes,
        seconds: (performance.now() - started) / 1000,
      };
    }
    await writing;
    if (carried) yield* carried.write(writer.temporary, signal);
    stopWhen(signal);
    await writer.finish({ [growthRecordFile]: recordText(record) });
    return writer.bytes;
  } finally {
    await writing.catch(() => undefined);
    await writer.abort(); // does nothing to a folder that is finished
    await grower.dispose();
  }
}

const weightBytes = ({ tensors }: GrowthPlan): number =>
  tensors.reduce((n, t) => n + bytesOf(t.dtype, countOf(t.to)), 0);
const stopWhen = (signal: AbortSignalLike): void => {
  if (signal.aborted) refuse('cancelled', { what: 'Growing' });
};
