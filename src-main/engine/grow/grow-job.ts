/**
 * @file Grows a checkpoint. Weights are streamed: one weight, or a block of its rows, is in memory at a time. An
 * unfinished folder never looks complete.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { CertificateText, GrowEvent } from '../../contract/schema.ts';
import { growthRecordFile, formatRecord, type GrowthRecord } from '../../model/records.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import { joinMethodIds, stagesFromRecord, type SavedPlan } from '../../growth/plan/saved-plan.ts';
import { familyById } from '../../model/families/index.ts';
import {
  createCheckpointWriter,
  writeCertificate,
  type CheckpointWriter,
} from '../../store/checkpoint/checkpoint-writer.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { removeFolder } from '../../store/fs/folder.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { createGrowthCard } from '../model-card/growth-card.ts';
import { planMomentGrowth, type MomentGrowth } from './optimizer-moments.ts';
import { certify, withProgress } from './certify-job.ts';
import type { CompareProgress } from './compare-models.ts';
import { openTextFiles } from './compared-text.ts';
import { chooseDevice } from '../device/choose.ts';
import type { Device } from '../ort/device.ts';
import { Grower } from './grower.ts';
import { findRoundedCopies } from './rounded-copies.ts';
import type { GrowInput } from '../inputs.ts';
import { version } from '../version.ts';

export interface GrowOptions {
  /** Bytes of output to compute at once (default 16 MiB). */
  readonly blockBytes?: number;
}

/**
 * Grows a checkpoint and certifies it. If it is cancelled, fails, or the caller stops reading the events, it
 * leaves nothing behind.
 */
export async function* grow(
  { source: dir, out, plan, device: choice, certificateText: files }: GrowInput,
  signal: AbortSignalLike,
  options: GrowOptions = {},
): AsyncGenerator<GrowEvent> {
  const source = await openCheckpoint(dir);
  const started = performance.now();
  const device = await chooseDevice(choice);
  let isWritten = false;
  let isCertified = false;
  try {
    // A text with a fault is refused before the work of growing. Its tokens are cached for the certificate.
    if (files) yield* reportCertifying((onProgress) => checkText(source, files, signal, onProgress));
    const written = yield* writeGrownCheckpoint(device, source, plan, out, signal, options);
    isWritten = true;
    const stages = stagesFromRecord({ plan });
    const notes = [...written.notes, ...(await findRoundedCopies(out, stages.at(-1)!))];
    yield { type: 'certifying' };
    const certificate = yield* reportCertifying((onProgress) =>
      certify(device, dir, out, { files, signal, onProgress }),
    );
    checkCancelled(signal);
    await writeCertificate(out, certificate, notes);
    isCertified = true;
    yield {
      type: 'done',
      dir: out,
      seconds: (performance.now() - started) / 1000,
      bytes: written.bytes,
      certificate,
      device: device.kind,
      notes,
    };
  } finally {
    if (isWritten && !isCertified) await removeFolder(out);
    await device.dispose();
  }
}

/** Throws what opening the text of the certificate throws. */
const checkText = async (
  source: Checkpoint,
  files: CertificateText,
  signal: AbortSignalLike,
  onProgress: (progress: CompareProgress) => void,
): Promise<void> => {
  const report = (done: number, of: number): void => {
    onProgress({ what: 'tokenizing', done, of });
  };
  (await openTextFiles(source, files, signal, report)).close();
};

/** The progress of work for a certificate as events of the growth. Returns the result of the work. */
async function* reportCertifying<T>(
  ...[work]: Parameters<typeof withProgress<T>>
): AsyncGenerator<GrowEvent, T> {
  const events = withProgress(work);
  let next = await events.next();
  while (!next.done) {
    yield { type: 'certifying', ...next.value };
    next = await events.next();
  }
  return next.value;
}

/**
 * Writes the grown checkpoint in one pass over its weights, without a certificate. Returns the bytes of the
 * weights, and notes about what was written. On any error nothing is left behind. `plan` may be a saved plan or
 * its only stage.
 */
export async function* writeGrownCheckpoint(
  device: Device,
  source: Checkpoint,
  plan: SavedPlan | GrowthPlan,
  out: string,
  signal: AbortSignalLike,
  { blockBytes = 2 ** 24 }: GrowOptions = {},
): AsyncGenerator<GrowEvent, { readonly bytes: number; readonly notes: readonly string[] }> {
  const started = performance.now();
  const stages = stagesFromRecord({ plan });
  const last = stages.at(-1)!;
  const moments = await planMomentGrowth(source, stages);
  const writer = await createCheckpointWriter({
    target: out,
    family: familyById(last.family),
    nameStyle: source.nameStyle,
    config: last.config,
    tensors: last.tensors.map((t) => ({ name: t.name, dtype: t.dtype, shape: t.to })),
    auxiliaryFilesFrom: source.dir,
    modelCard: await createGrowthCard(source, stages),
    requiredBytes: moments ? moments.bytes + countWeightBytes(last) : 0,
  });
  const grower = new Grower(device, source, stages, blockBytes);
  try {
    yield* writeWeights(writer, grower, last, started, signal);
    if (moments) yield* moments.write(writer.temporaryDir, signal);
    checkCancelled(signal);
    const record = createRecord(source, plan, moments);
    await writer.finish({ [growthRecordFile]: formatRecord(record) });
    return { bytes: writer.bytes, notes: writer.notes };
  } finally {
    await writer.abort(); // does nothing if the folder is finished
    await grower.dispose();
  }
}

/** Grows and writes every weight. While one block is written, the next is computed. `started` is in ms. */
async function* writeWeights(
  writer: CheckpointWriter,
  grower: Grower,
  plan: GrowthPlan,
  started: number,
  signal: AbortSignalLike,
): AsyncGenerator<GrowEvent> {
  const recipes = new Map(plan.tensors.map((t) => [t.name, t]));
  let pendingWrite: Promise<void> = Promise.resolve();
  let bytes = 0;
  try {
    for (const [i, name] of writer.order.entries()) {
      checkCancelled(signal);
      const recipe = recipes.get(name)!;
      const nextRecipe = recipes.get(writer.order[i + 1] ?? '');
      for await (const block of grower.growWeight(recipe, nextRecipe)) {
        await pendingWrite;
        checkCancelled(signal);
        pendingWrite = writer.write(name, block);
        pendingWrite.catch(() => undefined); // the error is thrown where the write is awaited
        bytes += block.byteLength;
      }
      yield {
        type: 'tensor',
        name,
        tensors: i + 1,
        ofTensors: writer.order.length,
        bytes,
        ofBytes: writer.bytes,
        seconds: (performance.now() - started) / 1000,
      };
    }
    await pendingWrite;
  } finally {
    await pendingWrite.catch(() => undefined);
  }
}

/** Returns growth.json without the certificate. */
function createRecord(
  source: Checkpoint,
  plan: SavedPlan | GrowthPlan,
  moments: MomentGrowth | null,
): GrowthRecord {
  const { before = [], plan: sourcePlan } = source.growth ?? {};
  return {
    version: 1,
    source: source.dir,
    method: joinMethodIds(stagesFromRecord({ plan })),
    plan,
    ...(sourcePlan ? { before: [...before, sourcePlan] } : {}),
    ...(moments ? { moments: moments.record } : {}),
    certificate: null,
    cambium: version,
  };
}

const countWeightBytes = ({ tensors }: GrowthPlan): number =>
  tensors.reduce((sum, t) => sum + byteLengthOf(t.dtype, countElements(t.to)), 0);

function checkCancelled(signal: AbortSignalLike): void {
  if (signal.aborted) refuse('cancelled', { what: 'Growing' });
}
