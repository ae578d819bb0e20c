/**
 * @file Exports a checkpoint, or the newest weights of a run, as an ONNX file for inference. The file is opened
 * with ONNX Runtime and compared before the folder gets its final name.
 */
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { deriveKey, uniformAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ExportEvent } from '../../contract/schema.ts';
import { computeTolerance } from '../../growth/certificate.ts';
import { parametersOf } from '../../model/parameters.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { formatConfig, exportConfig } from '../../store/checkpoint/checkpoint-writer.ts';
import { formatModelCard } from '../../store/checkpoint/model-card.ts';
import { createOnnxWriter } from '../../store/checkpoint/onnx-writer.ts';
import { createOnnxCard } from '../model-card/onnx-card.ts';
import { chooseDevice } from '../device/choose.ts';
import { getMaxContextLength } from '../infer/generate.ts';
import type { ExportInput } from '../inputs.ts';
import { buildOnnxDecoder, onnxFile, onnxWeightsFile, type OnnxDecoder } from './onnx-model.ts';
import { openOnnxReader } from './onnx-session.ts';
import { computeLogits } from './logits.ts';
import { openOrigin, type Origin } from './origin.ts';
import { retypeCheckpoint, type WeightSource } from '../model/weights.ts';

/** Tokens on which the file is compared with the model, and how many of them are read in the first run. */
const comparedTokens = 32;
const prefillTokens = 20;

/**
 * Writes the folder `out`: model.onnx, its float32 weights in model.onnx.data, the tokenizer and a model card.
 * Throws `export/onnx-type`, `export/differs`, `cancelled`; leaves nothing behind then.
 */
export async function* exportOnnx(input: ExportInput, signal: AbortSignalLike): AsyncGenerator<ExportEvent> {
  const { out, dtype } = input;
  if (dtype !== 'keep' && dtype !== 'float32') refuse('export/onnx-type', { dtype });
  const origin = await openOrigin(input);
  const { checkpoint, weights } = retypeCheckpoint(origin.checkpoint, 'float32', origin.source);
  const { family, dims, settings } = checkpoint;
  const decoder = buildOnnxDecoder(
    family,
    dims,
    settings,
    getMaxContextLength({ model: { dims, settings } }),
  );
  const maxLength = decoder.maxPositions;
  const writer = await createOnnxWriter({
    target: out,
    weightBytes: decoder.weightBytes,
    otherBytes: decoder.bytes.length,
    weightsFile: onnxWeightsFile,
    auxiliaryFilesFrom: checkpoint.dir,
  });
  const checkCancelled = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'The export' });
  };
  let isCommitted = false;
  try {
    const parameters = new Map(parametersOf(family, dims, settings).map((p) => [p.name, p]));
    for (const [i, { name, offset }] of decoder.weights.entries()) {
      checkCancelled();
      await writer.writeWeight(await weights(parameters.get(name)!), offset);
      yield { type: 'tensor', name, tensors: i + 1, ofTensors: decoder.weights.length };
    }
    await writer.writeFiles(formatFiles(origin, checkpoint, decoder, maxLength, out), [generationConfigFile]);
    checkCancelled();
    yield { type: 'comparing' };
    const path = join(writer.temporaryDir, onnxFile);
    const length = Math.min(comparedTokens, maxLength);
    const maxLogit = await verifyOnnx(checkpoint, weights, decoder, path, length, out);
    checkCancelled();
    const files = await writer.commit();
    isCommitted = true;
    const bytes = decoder.weightBytes + decoder.bytes.length;
    yield { type: 'done', dir: out, files, bytes, maxLogit, device: 'cpu', notes: writer.notes };
  } catch (error) {
    throw writer.withFinalPath(error);
  } finally {
    if (!isCommitted) await writer.abort();
  }
}

const generationConfigFile = 'generation_config.json';

/** Returns every file except the weights, by name. */
function formatFiles(
  { cardFiles }: Origin,
  checkpoint: Checkpoint,
  decoder: OnnxDecoder,
  maxLength: number,
  out: string,
): Readonly<Record<string, string | Uint8Array>> {
  const { family, config } = checkpoint;
  const card = createOnnxCard(cardFiles.card, checkpoint, maxLength);
  return {
    [onnxFile]: decoder.bytes,
    [generationConfigFile]: `${JSON.stringify(createGenerationConfig(config), null, 2)}\n`,
    'config.json': formatConfig(family, exportConfig(family, config, 'float32')),
    'README.md': formatModelCard(card, basename(out)),
    ...cardFiles.files,
  };
}

/** Returns a generation_config.json for a model without one: the special tokens of its config.json. */
const createGenerationConfig = (config: JsonObject): JsonObject =>
  Object.fromEntries(
    ['bos_token_id', 'eos_token_id', 'pad_token_id']
      .filter((key) => config[key] !== undefined)
      .map((key) => [key, config[key]!]),
  );

/**
 * Returns the largest difference of a logit between the model and the ONNX file, which reads a prompt at once
 * and the rest token by token. Throws `export/differs` if it exceeds the tolerance. `out` is the folder to name
 * in the error.
 */
async function verifyOnnx(
  checkpoint: Checkpoint,
  weights: WeightSource,
  { past }: OnnxDecoder,
  path: string,
  length: number,
  out: string,
): Promise<number> {
  const key = deriveKey(0, 'onnx');
  const vocab = checkpoint.dims['vocab']!;
  const tokens = Array.from({ length }, (_, i) => Math.floor(uniformAt(key, i) * vocab));
  const device = await chooseDevice('cpu');
  try {
    const expected = await computeLogits(device, checkpoint, weights, tokens);
    const reader = await openOnnxReader(device, path, past);
    const prompt = tokens.slice(0, Math.min(prefillTokens, length));
    const steps = tokens.slice(prompt.length).map((id) => [id]);
    let maxLogit = 0;
    let squares = 0;
    let compared = 0;
    try {
      for (const part of [prompt, ...steps])
        for (const logit of await reader.read(part)) {
          const reference = expected[compared]!;
          compared++;
          maxLogit = Math.max(maxLogit, Math.abs(logit - reference));
          squares += reference * reference;
          if (Number.isNaN(logit)) maxLogit = Infinity;
        }
    } finally {
      await reader.dispose();
    }
    const tolerance = computeTolerance(['float32'], Math.sqrt(squares / compared));
    if (!(maxLogit <= tolerance)) {
      const difference = `its logits differ by ${maxLogit.toExponential(1)} from the model's`;
      refuse('export/differs', {
        path: out,
        what: `${difference}, more than the tolerance ${tolerance.toExponential(1)}`,
      });
    }
    return maxLogit;
  } finally {
    await device.dispose();
  }
}
