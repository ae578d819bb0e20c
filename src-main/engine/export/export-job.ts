/**
 * @file Exports the newest weights of a run, or an average of them, as a Hugging Face folder. The folder is read
 * back and compared before the export is done.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ExportEvent } from '../../contract/schema.ts';
import { findAllCopies } from '../../growth/asymmetry.ts';
import { computeTolerance } from '../../growth/certificate.ts';
import { addCounts, countMergedCopies, describeEqualCopies } from '../../growth/equal-copies.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { createCheckpointWriter, findMainDType } from '../../store/checkpoint/checkpoint-writer.ts';
import type { TensorSummary } from '../../model/summary.ts';
import { removeFolder } from '../../store/fs/folder.ts';
import { readRun } from '../../store/run/runs.ts';
import { downcast, type WeightDType } from '../../tensor/dtype.ts';
import { checkOverflow } from '../../tensor/range.ts';
import { createTrainingCard } from '../model-card/training-card.ts';
import { compareModels } from '../grow/compare-models.ts';
import { chooseDevice } from '../device/choose.ts';
import type { ExportInput } from '../inputs.ts';
import type { Device } from '../ort/device.ts';
import { parametersOf } from '../../model/parameters.ts';
import { savedWeights } from '../train/step-checkpoint.ts';
import { retypeCheckpoint, type WeightSource } from '../model/weights.ts';

/**
 * Writes the folder `out`. With the dtype `keep`, each weight gets its dtype in the checkpoint the run started
 * from, or float32 if that checkpoint is gone. Throws `export/differs`, `cancelled`; leaves nothing behind
 * then.
 */
export async function* exportRun(
  { run: dir, out, dtype: requestedDType, weights: kind = 'raw', step: chosen }: ExportInput,
  signal: AbortSignalLike,
): AsyncGenerator<ExportEvent> {
  const run = await readRun(dir);
  const {
    checkpoint: model,
    step,
    source,
  } = await savedWeights(dir, kind, {
    latest: run.settings.averageCheckpoints,
    step: chosen,
  });
  const tensors = await chooseDTypes(model, requestedDType, run.checkpoint);
  const { card, files: cardFiles } = await createTrainingCard(dir, run, { model, step, kind });
  const writer = await createCheckpointWriter({
    target: out,
    family: model.family,
    nameStyle: model.nameStyle,
    config: model.config,
    tensors,
    auxiliaryFilesFrom: model.dir,
    modelCard: card,
  });
  let isFinished = false;
  let isVerified = false;
  try {
    const dtypes = new Map(tensors.map((t) => [t.name, t.dtype]));
    const merged = createMergedCounter(model, dtypes);
    const { weights } = retypeCheckpoint(model, findMainDType(tensors), source);
    const parameters = new Map(
      parametersOf(model.family, model.dims, model.settings).map((p) => [p.name, p]),
    );
    for (const [i, name] of writer.order.entries()) {
      checkCancelled(signal);
      const values = await weights(parameters.get(name)!);
      const bytes = downcast(values, dtypes.get(name)!);
      merged.count(name, values, bytes);
      checkOverflow(bytes, dtypes.get(name)!, name);
      await writer.write(name, bytes);
      yield { type: 'tensor', name, tensors: i + 1, ofTensors: writer.order.length };
    }
    checkCancelled(signal);
    const files = await writer.finish(cardFiles);
    isFinished = true;
    yield { type: 'comparing' };
    // Always on the CPU: the device of the run may be on another machine or out of memory.
    const device = await chooseDevice('cpu');
    try {
      const maxLogit = await verifyExport(device, model, source, out, signal);
      checkCancelled(signal);
      isVerified = true;
      const notes = [...writer.notes, ...merged.notes()];
      yield { type: 'done', dir: out, files, bytes: writer.bytes, maxLogit, device: device.kind, notes };
    } finally {
      await device.dispose();
    }
  } finally {
    if (!isVerified) await (isFinished ? removeFolder(out) : writer.abort());
  }
}

interface MergedCounter {
  /** Counts the copies of one weight that are equal in `bytes`, its values in its dtype. */
  count(name: string, values: Float32Array, bytes: Uint8Array): void;
  /** A sentence if there are any. */
  notes(): readonly string[];
}

/** Counts the copies of a grown model that training made different, and that a 16-bit type makes equal. */
function createMergedCounter(
  { growth }: Checkpoint,
  dtypes: ReadonlyMap<string, WeightDType>,
): MergedCounter {
  const copies = findAllCopies(stagesFromRecord(growth));
  let total = { pairs: 0, equal: 0 };
  let rounded: WeightDType | undefined;
  return {
    count(name, values, bytes) {
      const copied = copies.get(name);
      const dtype = dtypes.get(name)!;
      if (!copied || dtype === 'float32' || copied.rows * copied.columns !== values.length) return;
      rounded = dtype;
      const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
      total = addCounts(total, countMergedCopies(copied, values, bits));
    },
    notes: () =>
      [describeEqualCopies(total, String(rounded), { isSample: false })].filter((s) => s !== undefined),
  };
}

function checkCancelled(signal: AbortSignalLike): void {
  if (signal.aborted) refuse('cancelled', { what: 'The export' });
}

/** Returns the tensors to write and their dtypes. */
async function chooseDTypes(
  model: Checkpoint,
  requested: ExportInput['dtype'],
  originDir: string,
): Promise<readonly TensorSummary[]> {
  const tensors = [...model.tensors.values()];
  if (requested !== 'keep') return tensors.map(({ name, shape }) => ({ name, shape, dtype: requested }));
  const origin = await openCheckpoint(originDir).catch(() => undefined);
  return tensors.map(({ name, shape, dtype }) => ({
    name,
    shape,
    dtype: origin?.tensors.get(name)?.dtype ?? dtype,
  }));
}

/**
 * Returns the largest difference of a logit between the run's weights and the exported folder. Throws
 * `export/differs` if it exceeds the tolerance.
 */
async function verifyExport(
  device: Device,
  model: Checkpoint,
  weights: WeightSource,
  out: string,
  signal: AbortSignalLike,
): Promise<number> {
  const exported = await openCheckpoint(out);
  const comparison = await compareModels(device, model, exported, { signal, weights });
  comparison.close();
  const { maxLogit, rmsLogit, nonFinite, tokens } = comparison.difference;
  if (nonFinite > 0)
    refuse('export/differs', {
      path: out,
      what: `logits are not finite at ${nonFinite} of ${tokens} positions`,
    });
  const tolerance = computeTolerance(exported.summary.dtypes, rmsLogit);
  if (maxLogit > tolerance) {
    const difference = `logits differ by ${maxLogit.toExponential(1)}`;
    refuse('export/differs', {
      path: out,
      what: `${difference}, more than the tolerance ${tolerance.toExponential(1)} of its dtype`,
    });
  }
  return maxLogit;
}
