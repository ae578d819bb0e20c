/**
 * @file A run's newest weights, or an average of them, as an ordinary Hugging Face folder: written, opened
 * again and compared before it is called done.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ExportEvent } from '../../contract/schema.ts';
import { comparison, toleranceOf } from '../../growth/certificate.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { createCheckpointWriter, mainDType } from '../../store/checkpoint/checkpoint-writer.ts';
import { removeFolder } from '../../store/fs/folder.ts';
import { readRun } from '../../store/run/runs.ts';
import { narrow } from '../../tensor/dtype.ts';
import { checkRange } from '../../tensor/range.ts';
import { exportPapers } from '../model-card/cards.ts';
import { probe } from '../grow/certify-job.ts';
import { chooseDevice } from '../device/choose.ts';
import type { ExportInput } from '../inputs.ts';
import type { Device } from '../ort/device.ts';
import { parametersOf } from '../../model/parameters.ts';
import { savedWeights } from '../train/step-checkpoint.ts';
import { retyped, type WeightSource } from '../model/weights.ts';

/**
 * Writes `out`. `dtype: keep` gives each weight the type it had in the checkpoint the run began with, where
 * that is still there, else the run's own float32.
 */
export async function* exportRun(
  { run: dir, out, dtype: wanted, weights: which = 'raw' }: ExportInput,
  signal: AbortSignalLike,
): AsyncGenerator<ExportEvent> {
  const run = await readRun(dir);
  const { checkpoint: model, step, source } = await savedWeights(dir, which, run.settings.average);
  const origin = wanted === 'keep' ? await openCheckpoint(run.checkpoint).catch(() => undefined) : undefined;
  const tensors = [...model.refs.values()].map(({ name, shape, dtype }) => ({
    name,
    shape,
    dtype: wanted === 'keep' ? (origin?.refs.get(name)?.dtype ?? dtype) : wanted,
  }));
  const stop = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'The export' });
  };
  const { card, files: papers } = await exportPapers(dir, run, model, step, which);
  const writer = await createCheckpointWriter({
    target: out,
    family: model.family,
    prefix: model.prefix,
    config: model.config,
    tensors,
    sideFilesFrom: model.dir,
    card,
  });
  let standing = false;
  let done = false;
  try {
    const types = new Map(tensors.map((t) => [t.name, t.dtype]));
    const { weights } = retyped(model, mainDType(tensors), source);
    const parameters = new Map(
      parametersOf(model.family, model.dims, model.settings).map((p) => [p.name, p]),
    );
    let written = 0;
    for (const name of writer.order) {
      stop();
      const bytes = narrow(await weights(parameters.get(name)!), types.get(name)!);
      checkRange(bytes, types.get(name)!, name);
      await writer.write(name, bytes);
      yield { at: 'tensor', name, tensors: ++written, ofTensors: writer.order.length };
    }
    stop();
    const files = await writer.finish(papers);
    standing = true;
    yield { at: 'comparing' };
    const device = await chooseDevice('cpu'); // whatever it was trained on: that may be elsewhere, or full
    try {
      const maxLogit = await readBack(device, model, source, out, signal);
      stop();
      done = true;
      yield { at: 'done', dir: out, files, bytes: writer.bytes, maxLogit, device: device.kind };
    } finally {
      await device.dispose();
    }
  } finally {
    if (!done) await (standing ? removeFolder(out) : writer.abort());
  }
}

/**
 * The largest difference of a logit between the run's weights and the folder as it reads back. Refuses
 * `export/differs`.
 */
async function readBack(
  device: Device,
  model: Checkpoint,
  weights: WeightSource,
  out: string,
  signal: AbortSignalLike,
): Promise<number> {
  const written = await openCheckpoint(out);
  const { before, after, next, vocab } = await probe(device, model, written, { signal, weights });
  const compared = comparison(vocab);
  compared.add(before, after, next);
  const { maxLogit, rmsLogit } = compared.result();
  const allowed = toleranceOf(written.card.dtypes, rmsLogit);
  if (!(maxLogit <= allowed))
    refuse('export/differs', {
      path: out,
      what: `logits differ by ${maxLogit.toExponential(1)}, more than the ${allowed.toExponential(1)} of its element type`,
    });
  return maxLogit;
}
