/**
 * @file A checkpoint, or a run's newest weights, as an ONNX file for inference: written, opened by ONNX
 * Runtime, read at once and token by token, and compared before the folder gets its name.
 */
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { keyOf, uniformAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ExportEvent } from '../../contract/schema.ts';
import { toleranceOf } from '../../growth/certificate.ts';
import { parametersOf } from '../../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { configText, exportConfig } from '../../store/checkpoint/checkpoint-writer.ts';
import { modelCard } from '../../store/checkpoint/model-card.ts';
import { createOnnxWriter } from '../../store/checkpoint/onnx-writer.ts';
import { isRun, readRun } from '../../store/run/runs.ts';
import { checkpointPapers, exportPapers, onnxCard, type Papers } from '../model-card/cards.ts';
import { chooseDevice } from '../device/choose.ts';
import { longest } from '../infer/generate.ts';
import type { ExportInput } from '../inputs.ts';
import { onnxDecoder, onnxFile, onnxWeightsFile, type OnnxDecoder } from './onnx-model.ts';
import { openOnnx } from './onnx-session.ts';
import { logitsReader } from '../model/programs.ts';
import { savedWeights } from '../train/step-checkpoint.ts';
import { fromCheckpoint, load, retyped, type WeightSource } from '../model/weights.ts';

/** Tokens that the file and the model in memory are compared on, and how many of them are read at once. */
const compared = 32;
const atOnce = 20;

interface Origin {
  readonly checkpoint: Checkpoint;
  readonly source: WeightSource;
  readonly papers: Papers;
}

async function originOf({ run: from, weights: which = 'raw' }: ExportInput): Promise<Origin> {
  if (!(await isRun(from))) {
    const checkpoint = await openCheckpoint(from);
    return { checkpoint, source: fromCheckpoint(checkpoint), papers: await checkpointPapers(checkpoint) };
  }
  const run = await readRun(from);
  const { checkpoint, step, source } = await savedWeights(from, which, run.settings.average);
  return { checkpoint, source, papers: await exportPapers(from, run, checkpoint, step, which) };
}

/**
 * Writes the folder `out`: model.onnx, its weights in float32 beside it, the tokenizer and a card. Refuses
 * `export/onnx-type`, `export/differs`.
 */
export async function* exportOnnx(given: ExportInput, signal: AbortSignalLike): AsyncGenerator<ExportEvent> {
  const { out, dtype } = given;
  if (dtype !== 'keep' && dtype !== 'float32') refuse('export/onnx-type', { dtype });
  const origin = await originOf(given);
  const { checkpoint, weights } = retyped(origin.checkpoint, 'float32', origin.source);
  const { family, dims, settings, config } = checkpoint;
  const most = longest({ model: { dims, settings } });
  const decoder = onnxDecoder(family, dims, settings, most);
  const bytes = decoder.size + decoder.bytes.length;
  const writer = await createOnnxWriter({
    target: out,
    weights: decoder.size,
    others: decoder.bytes.length,
    weightsFile: onnxWeightsFile,
    sideFilesFrom: checkpoint.dir,
  });
  const stop = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'The export' });
  };
  let done = false;
  try {
    const parameters = new Map(parametersOf(family, dims, settings).map((p) => [p.name, p]));
    let tensors = 0;
    for (const { name, offset } of decoder.weights) {
      stop();
      await writer.weight(await weights(parameters.get(name)!), offset);
      yield { at: 'tensor', name, tensors: ++tensors, ofTensors: decoder.weights.length };
    }
    await writer.files(
      {
        [onnxFile]: decoder.bytes,
        [generationFile]: `${JSON.stringify(generationOf(config), null, 2)}\n`,
        'config.json': configText(family, exportConfig(family, config, 'float32')),
        'README.md': modelCard(onnxCard(origin.papers.card, checkpoint, most), basename(out)),
        ...origin.papers.files,
      },
      [generationFile],
    );
    stop();
    yield { at: 'comparing' };
    const maxLogit = await readBack(
      checkpoint,
      weights,
      decoder,
      join(writer.temporary, onnxFile),
      Math.min(compared, most),
      out,
    );
    stop();
    const files = await writer.commit();
    done = true;
    yield { at: 'done', dir: out, files, bytes, maxLogit, device: 'cpu' };
  } catch (error) {
    throw writer.told(error);
  } finally {
    if (!done) await writer.abort();
  }
}

const generationFile = 'generation_config.json';

/** What transformers reads of a model's ends, for one that has no generation_config.json. */
const generationOf = (config: JsonObject): JsonObject =>
  Object.fromEntries(
    ['bos_token_id', 'eos_token_id', 'pad_token_id']
      .filter((key) => config[key] !== undefined)
      .map((key) => [key, config[key]!]),
  );

/**
 * The largest difference of a logit between the model in memory and the file, of which a part is read at once
 * and the rest token by token.
 */
async function readBack(
  checkpoint: Checkpoint,
  weights: WeightSource,
  { past }: OnnxDecoder,
  path: string,
  length: number,
  out: string,
): Promise<number> {
  const key = keyOf(0, 'onnx');
  const vocab = checkpoint.dims['vocab']!;
  const tokens = Array.from({ length }, (_, i) => Math.floor(uniformAt(key, i) * vocab));
  const device = await chooseDevice('cpu');
  try {
    const loaded = await load(device, checkpoint, weights);
    let expected: Float32Array;
    try {
      const reader = await logitsReader(device, loaded, 1, length);
      try {
        expected = await reader.run(Int32Array.from(tokens));
      } finally {
        await reader.dispose();
      }
    } finally {
      loaded.dispose();
    }
    const file = await openOnnx(device, path, past);
    const first = Math.min(atOnce, length);
    let worst = 0;
    let at = 0;
    let squares = 0;
    try {
      for (const part of [tokens.slice(0, first), ...tokens.slice(first).map((id) => [id])])
        for (const x of await file.read(part)) {
          const y = expected[at++]!;
          worst = Math.max(worst, Math.abs(x - y));
          squares += y * y;
          if (Number.isNaN(x)) worst = Infinity;
        }
    } finally {
      await file.dispose();
    }
    const allowed = toleranceOf(['float32'], Math.sqrt(squares / at));
    if (!(worst <= allowed))
      refuse('export/differs', {
        path: out,
        what: `its logits differ by ${worst.toExponential(1)} from the model's, more than ${allowed.toExponential(1)}`,
      });
    return worst;
  } finally {
    await device.dispose();
  }
}
