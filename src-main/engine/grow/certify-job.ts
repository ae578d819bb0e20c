/** @file The proof: source and grown model read the same tokens, and their logits are compared. */
import type { Certificate } from '../../contract/schema.ts';
import { comparison, toleranceOf } from '../../growth/certificate.ts';
import { promiseOf } from '../../growth/plan/chain.ts';
import { stagesOf } from '../../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { readText } from '../../store/data/text.ts';
import { refuse } from '../../base/errors.ts';
import { type AbortSignalLike, deaf } from '../../base/signals.ts';
import { generate, longest } from '../infer/generate.ts';
import type { Device } from '../ort/device.ts';
import { logitsReader } from '../model/programs.ts';
import { fromCheckpoint, load, type Loaded, type WeightSource } from '../model/weights.ts';

/** Two texts of this many tokens are read. */
const texts = 2;
const length = 128;

interface Probe {
  readonly tokens: Int32Array;
  readonly sequence: number;
  readonly text: string;
}

/**
 * What two models are compared on: a file, or without one what the first of them writes. Large models read
 * shorter texts.
 */
export interface ProbeOptions {
  readonly text?: string | undefined;
  readonly signal?: AbortSignalLike;
  /** Weights of the first, where they are not its checkpoint's own. */ readonly weights?: WeightSource;
}

/** Certifies on a device that is open. Refuses `cancelled`. */
export async function certify(
  device: Device,
  sourceDir: string,
  grownDir: string,
  options: ProbeOptions = {},
): Promise<Certificate> {
  const source = await openCheckpoint(sourceDir);
  const grown = await openCheckpoint(grownDir);
  const { before, after, next, vocab, words } = await probe(device, source, grown, options);
  const compared = comparison(vocab);
  compared.add(before, after, next);
  const difference = compared.result();
  const stages = stagesOf(grown.growth);
  const promise = promiseOf(stages).kind;
  const tolerance = toleranceOf(
    [...new Set([...source.card.dtypes, ...grown.card.dtypes])],
    difference.rmsLogit,
  );
  return {
    ...difference,
    promise,
    ...(stages.length > 1
      ? { stages: stages.map((plan) => ({ method: plan.request.method, promise: plan.promise.kind })) }
      : {}),
    tolerance,
    passed:
      promise === 'approximate' ? Number.isFinite(difference.maxLogit) : difference.maxLogit <= tolerance,
    device: device.kind,
    text: words,
  };
}

/**
 * Logits of both models, [tokens, vocab of the first] each, on the same tokens, and the token after each (-1:
 * none).
 */
export interface Probed {
  readonly before: Float32Array;
  readonly after: Float32Array;
  readonly next: Int32Array;
  readonly vocab: number;
  readonly words: string;
}

export async function probe(
  device: Device,
  first: Checkpoint,
  second: Checkpoint,
  { text, signal = deaf, weights = fromCheckpoint(first) }: ProbeOptions = {},
): Promise<Probed> {
  const vocab = first.dims['vocab']!;
  const wider = second.dims['vocab']!;
  if (wider < vocab)
    refuse('checkpoint/unsupported', {
      what: `comparing a vocabulary of ${vocab} with the smaller one of ${wider}`,
      why: 'tokens of the first have no logits in the second',
    });
  const stop = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'Comparing' });
  };
  let read: Probe;
  let before: Float32Array;
  const loaded = await load(device, first, weights);
  try {
    read =
      text === undefined ? await ownText(device, first, loaded, signal) : await fileText(first, loaded, text);
    stop();
    before = await logits(device, loaded, read);
  } finally {
    loaded.dispose();
  }
  stop();
  const other = await load(device, second, fromCheckpoint(second));
  try {
    return {
      before,
      after: columns(await logits(device, other, read), wider, vocab),
      next: nextOf(read),
      vocab,
      words: read.text,
    };
  } finally {
    other.dispose();
  }
}

/** The first `kept` of every `width` values: a grown vocabulary begins with the old one. */
function columns(values: Float32Array, width: number, kept: number): Float32Array {
  if (width === kept) return values;
  const out = new Float32Array((values.length / width) * kept);
  for (let row = 0; row * width < values.length; row++)
    out.set(values.subarray(row * width, row * width + kept), row * kept);
  return out;
}

async function logits(device: Device, loaded: Loaded, { tokens, sequence }: Probe): Promise<Float32Array> {
  const reader = await logitsReader(device, loaded, tokens.length / sequence, sequence);
  try {
    return await reader.run(tokens);
  } finally {
    await reader.dispose();
  }
}

/** The token after each, -1 at the end of a text. */
const nextOf = ({ tokens, sequence }: Probe): Int32Array =>
  Int32Array.from(tokens, (_, i) => ((i + 1) % sequence === 0 ? -1 : tokens[i + 1]!));

const lengthFor = (loaded: Loaded): number =>
  Math.min(
    longest(loaded),
    loaded.model.buckets.reduce((n, b) => n + b.length, 0) > 200e6 ? length / 4 : length,
  );

/** Texts that the source writes itself, from its first token, at temperature one. */
async function ownText(
  device: Device,
  { config }: Checkpoint,
  loaded: Loaded,
  signal: AbortSignalLike,
): Promise<Probe> {
  const sequence = lengthFor(loaded);
  const tokens = new Int32Array(texts * sequence);
  const declared = config['bos_token_id'];
  const first = typeof declared === 'number' && declared < loaded.model.dims['vocab']! ? declared : 0;
  for (let t = 0; t < texts; t++) {
    let at = t * sequence;
    tokens[at++] = first;
    for await (const token of generate(
      device,
      loaded,
      [first],
      sequence - 1,
      { temperature: 1, seed: t },
      signal,
    ))
      tokens[at++] = token;
  }
  return { tokens, sequence, text: "the source's own text" };
}

async function fileText(source: Checkpoint, loaded: Loaded, path: string): Promise<Probe> {
  const tokenizer = await openTokenizer(source.dir, source.dims['vocab']!);
  const sequence = lengthFor(loaded);
  const ids = tokenizer.encode(await readText(path, texts * sequence * 16));
  const whole = Math.min(texts, Math.floor(ids.length / sequence));
  if (whole === 0 && ids.length < 2) refuse('data/empty', { path, tokens: ids.length, needed: 2 });
  return whole === 0
    ? { tokens: Int32Array.from(ids), sequence: ids.length, text: path }
    : { tokens: Int32Array.from(ids.slice(0, whole * sequence)), sequence, text: path };
}
