/** @file A run's newest checkpoint as an ordinary Hugging Face folder: written, opened again and compared before it is called done. */
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../contract/rpc.ts';
import type { ExportEvent } from '../contract/schema.ts';
import { comparison, toleranceOf } from '../growth/certificate.ts';
import { openCheckpoint, readTensor, type Checkpoint } from '../store/checkpoint.ts';
import { createCheckpointWriter } from '../store/checkpoint-writer.ts';
import { removeFolder } from '../store/folder.ts';
import { newestStep, readRun, runCard } from '../store/runs.ts';
import { narrow, widen } from '../tensor/dtype.ts';
import { exportCard } from './cards.ts';
import { probe } from './certify-job.ts';
import { chooseDevice } from './choose.ts';
import type { ExportInput } from './inputs.ts';
import type { Device } from './ort/device.ts';
import { newestModel } from './step-checkpoint.ts';

/** Writes `out`. `dtype: keep` gives each weight the type it had in the checkpoint the run began with, where that is still there, else the run's own float32. */
export async function* exportRun({ run: dir, out, dtype: wanted }: ExportInput, signal: AbortSignalLike): AsyncGenerator<ExportEvent> {
  const run = await readRun(dir), model = await openCheckpoint(await newestModel(dir)), step = (await newestStep(dir))!.step;
  const origin = wanted === 'keep' ? await openCheckpoint(run.checkpoint).catch(() => undefined) : undefined;
  const tensors = [...model.refs.values()].map(({ name, shape, dtype }) => ({ name, shape, dtype: wanted === 'keep' ? origin?.refs.get(name)?.dtype ?? dtype : wanted }));
  const stop = (): void => { if (signal.aborted) refuse('cancelled', { what: 'The export' }); };
  const writer = await createCheckpointWriter({
    target: out, family: model.family, prefix: model.prefix, config: model.config, tensors, sideFilesFrom: model.dir, card: exportCard(run, await runCard(dir), model, step),
  });
  let files: readonly string[];
  try {
    const types = new Map(tensors.map((t) => [t.name, t.dtype]));
    let done = 0;
    for (const name of writer.order) {
      stop();
      await writer.write(name, narrow(widen(await readTensor(model, name), model.refs.get(name)!.dtype), types.get(name)!));
      yield { at: 'tensor', name, tensors: ++done, ofTensors: writer.order.length };
    }
    files = await writer.finish(model.growth ? { 'growth.json': `${JSON.stringify(model.growth, null, 1)}\n` } : {});
  } catch (error) { await writer.abort(); throw error; }
  try {
    yield { at: 'comparing' };
    const device = await chooseDevice(run.settings.device);
    try {
      const maxLogit = await readBack(device, model, out);
      stop();
      yield { at: 'done', dir: out, files, bytes: writer.bytes, maxLogit };
    } finally { await device.dispose(); }
  } catch (error) { await removeFolder(out); throw error; }
}

/** The largest difference of a logit between the run's weights and the folder as it reads back. Refuses `export/differs`. */
async function readBack(device: Device, model: Checkpoint, out: string): Promise<number> {
  const written = await openCheckpoint(out);
  const { before, after, next, vocab } = await probe(device, model, written), compared = comparison(vocab);
  compared.add(before, after, next);
  const { maxLogit, rmsLogit } = compared.result(), allowed = toleranceOf(written.card.dtypes, rmsLogit);
  if (!(maxLogit <= allowed)) refuse('export/differs', { path: out, what: `logits differ by ${maxLogit.toExponential(1)}, more than the ${allowed.toExponential(1)} of its element type` });
  return maxLogit;
}
