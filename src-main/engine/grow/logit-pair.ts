/** @file Computes the logits of two models on the same tokens, to compare a grown or exported model. */
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { readText } from '../../store/data/text.ts';
import { refuse } from '../../base/errors.ts';
import { type AbortSignalLike, neverAborts } from '../../base/signals.ts';
import { generate, getMaxContextLength } from '../infer/generate.ts';
import type { Device } from '../ort/device.ts';
import { openLogitsReader } from '../model/programs.ts';
import { checkpointWeights, loadModel, type LoadedModel, type WeightSource } from '../model/weights.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';

/** The models read this many texts of this many tokens. */
const textCount = 2;
const textLength = 128;
/** Models with more parameters read texts of a quarter of the length. */
const largeModelParameters = 200e6;

export interface CompareOptions {
  /** A text file to read. Without it, the models read text sampled from the first model. */
  readonly text?: string | undefined;
  readonly signal?: AbortSignalLike;
  /** Weights of the first model, if they are not those of its checkpoint. */
  readonly weights?: WeightSource;
}

/** The logits of two models on the same tokens. */
export interface LogitPair {
  /** [tokens, vocab] of the first model. */
  readonly before: Float32Array;
  /** [tokens, vocab] of the second model, without its additional tokens. */
  readonly after: Float32Array;
  /** The token that follows each token; -1 at the end of a text. */
  readonly next: Int32Array;
  /** Vocabulary size of the first model. */
  readonly vocab: number;
  /** The path of the text file, or a description of the sampled text. */
  readonly textSource: string;
}

/** `textCount` texts of equal length. */
interface TextBatch {
  readonly tokens: Int32Array;
  readonly length: number;
  readonly source: string;
}

/**
 * Computes the logits of both models, one after the other, so that only one is in memory. Throws
 * `checkpoint/unsupported` if the second vocabulary is smaller, `cancelled`, `data/empty`.
 */
export async function computeLogitPair(
  device: Device,
  first: Checkpoint,
  second: Checkpoint,
  { text, signal = neverAborts, weights = checkpointWeights(first) }: CompareOptions = {},
): Promise<LogitPair> {
  const vocab = first.dims['vocab']!;
  const secondVocab = second.dims['vocab']!;
  if (secondVocab < vocab)
    refuse('checkpoint/unsupported', {
      what: `comparing a vocabulary of ${vocab} with the smaller one of ${secondVocab}`,
      why: 'tokens of the first have no logits in the second',
    });
  const checkCancelled = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'Comparing' });
  };
  let batch: TextBatch;
  let before: Float32Array;
  const firstModel = await loadModel(device, first, weights);
  try {
    batch =
      text === undefined
        ? await sampleTexts(device, first, firstModel, signal)
        : await readTexts(first, firstModel, text);
    checkCancelled();
    before = await computeLogits(device, firstModel, batch);
  } finally {
    firstModel.dispose();
  }
  checkCancelled();
  const secondModel = await loadModel(device, second, checkpointWeights(second));
  try {
    const logits = await computeLogits(device, secondModel, batch);
    const after = takeColumns(logits, secondVocab, vocab);
    return { before, after, next: listNextTokens(batch), vocab, textSource: batch.source };
  } finally {
    secondModel.dispose();
  }
}

/** Returns the first `kept` columns of a matrix; a grown vocabulary starts with the old one. */
function takeColumns(values: Float32Array, columns: number, kept: number): Float32Array {
  if (columns === kept) return values;
  const rows = values.length / columns;
  const out = new Float32Array(rows * kept);
  for (let row = 0; row < rows; row++)
    out.set(values.subarray(row * columns, row * columns + kept), row * kept);
  return out;
}

async function computeLogits(
  device: Device,
  loaded: LoadedModel,
  { tokens, length }: TextBatch,
): Promise<Float32Array> {
  const reader = await openLogitsReader(device, loaded, tokens.length / length, length);
  try {
    return await reader.run(tokens);
  } finally {
    await reader.dispose();
  }
}

/** Returns the token after each token; -1 at the end of a text. */
const listNextTokens = ({ tokens, length }: TextBatch): Int32Array =>
  Int32Array.from(tokens, (_, i) => ((i + 1) % length === 0 ? -1 : tokens[i + 1]!));

function chooseTextLength(loaded: LoadedModel): number {
  const parameters = loaded.model.buckets.reduce((sum, bucket) => sum + bucket.length, 0);
  const length = parameters > largeModelParameters ? textLength / 4 : textLength;
  return Math.min(getMaxContextLength(loaded), length);
}

/** Samples texts from a model, starting with its BOS token, at temperature 1. */
async function sampleTexts(
  device: Device,
  { config }: Checkpoint,
  loaded: LoadedModel,
  signal: AbortSignalLike,
): Promise<TextBatch> {
  const length = chooseTextLength(loaded);
  const tokens = new Int32Array(textCount * length);
  const bos = config['bos_token_id'];
  const first = typeof bos === 'number' && bos < loaded.model.dims['vocab']! ? bos : 0;
  for (let seed = 0; seed < textCount; seed++) {
    const options = { temperature: 1, seed };
    let position = seed * length;
    tokens[position] = first;
    for await (const token of generate(device, loaded, [first], length - 1, options, signal)) {
      position++;
      tokens[position] = token;
    }
  }
  return { tokens, length, source: `${tokens.length} tokens sampled from the source` };
}

/** Reads texts from a file. One that is too short for a text of the full length is read as one text. */
async function readTexts(source: Checkpoint, loaded: LoadedModel, path: string): Promise<TextBatch> {
  const tokenizer = await openTokenizer(source.dir, source.dims['vocab']!);
  const length = chooseTextLength(loaded);
  const ids = tokenizer.encode(await readText(path, textCount * length * 16));
  const texts = Math.min(textCount, Math.floor(ids.length / length));
  if (texts > 0) return { tokens: Int32Array.from(ids.slice(0, texts * length)), length, source: path };
  if (ids.length < 2) refuse('data/empty', { path, tokens: ids.length, needed: 2 });
  return { tokens: Int32Array.from(ids), length: ids.length, source: path };
}
