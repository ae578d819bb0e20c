/**
 * @file What a run measures of itself between steps: losses on held-out text, how far copies have parted, and
 * a few words of its own.
 */
import { copiesIn } from '../../growth/asymmetry.ts';
import { stagesOf } from '../../growth/plan/saved-plan.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { TextTokenizer } from '../../store/data/tokenizer.ts';
import type { Tokens } from '../../store/data/tokens.ts';
import { heldOutStarts, heldOutWindows, type TextPart } from '../../train/batches.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { generate } from '../infer/generate.ts';
import type { Device } from '../ort/device.ts';
import { asymmetryOf, lossMeter } from '../model/programs.ts';
import { savedWeights } from './step-checkpoint.ts';
import { load, readAs, type Loaded } from '../model/weights.ts';

/** Tokens of a sample. */
const sampleTokens = 64;

/** Tokens [sequence + 1] of a window, and their documents [sequence]. */
export interface Window {
  readonly tokens: Int32Array;
  readonly documents: Int32Array;
}

/** What a run measures by. */
export interface Measured {
  readonly dir: string;
  readonly base: Checkpoint;
  readonly device: Device;
  readonly loaded: Loaded;
  readonly held: readonly Window[];
}

/**
 * The losses on held-out text, of the weights and of their moving average, and the asymmetry of a model that
 * was grown.
 */
export async function* evaluated(
  { base, device, loaded, held }: Measured,
  s: TrainingSettings,
  step: number,
): AsyncGenerator<RunEvent> {
  if (held.length > 0) {
    const tokens = held.length * s.sequence;
    yield { at: 'evaluated', step, loss: await heldOutLoss(device, loaded, s, held), tokens };
    if (s.ema > 0 && step > 0)
      yield {
        at: 'averaged',
        step,
        which: 'ema',
        loss: await heldOutLoss(device, readAs(loaded, 'ema'), s, held),
        tokens,
      };
  }
  const copies = s.start === 'source' ? copiesIn(stagesOf(base.growth, { before: true })) : [];
  if (copies.length > 0) yield { at: 'asymmetry', step, value: await asymmetryOf(device, loaded, copies) };
}

/** The loss of the mean of the newest saved weights. */
export async function* averaged(
  { dir, device, held }: Measured,
  s: TrainingSettings,
  step: number,
): AsyncGenerator<RunEvent> {
  if (s.average < 1 || held.length === 0) return;
  const { checkpoint, source } = await savedWeights(dir, 'average', s.average);
  const mean = await load(device, checkpoint, source);
  try {
    yield {
      at: 'averaged',
      step,
      which: 'average',
      loss: await heldOutLoss(device, mean, s, held),
      tokens: held.length * s.sequence,
    };
  } finally {
    mean.dispose();
  }
}

async function heldOutLoss(
  device: Device,
  loaded: Loaded,
  { batch, sequence, documents }: TrainingSettings,
  held: readonly Window[],
): Promise<number> {
  const meter = await lossMeter(device, loaded, { batch, sequence, documents });
  try {
    return await meter.mean(
      held.map((window) => window.tokens),
      held.map((window) => window.documents),
    );
  } finally {
    await meter.dispose();
  }
}

/** Windows of the held-out text, spread evenly over it. */
export const heldOut = (tokens: Tokens, parts: readonly TextPart[], sequence: number): readonly Window[] =>
  heldOutStarts(parts, sequence, heldOutWindows).map((start) => ({
    tokens: tokens.read(start, sequence + 1),
    documents: tokens.documentsOf(start, sequence),
  }));

/** A few words of the model's own, after the prompt or from the beginning of a text. */
export async function sampled(
  { device, loaded }: Measured,
  tokenizer: TextTokenizer,
  { prompt, seed }: TrainingSettings,
  step: number,
): Promise<RunEvent> {
  const before = tokenizer.encode(prompt);
  const first = before.length > 0 ? before : [tokenizer.bos ?? tokenizer.eos ?? 0];
  const stops = tokenizer.eos === null ? [] : [tokenizer.eos];
  const writing = tokenizer.stream(first);
  let text = '';
  for await (const token of generate(device, loaded, first, sampleTokens, { temperature: 0.8, seed, stops }))
    text += writing.push(token);
  return { at: 'sample', step, prompt, text: text + writing.end() };
}
