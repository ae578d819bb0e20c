/** @file What a run measures between steps: held-out losses, the distance between copies, and a sample. */
import type { RunEvent } from '../../contract/schema.ts';
import { findCopies } from '../../growth/asymmetry.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { TextTokenizer } from '../../store/data/tokenizer.ts';
import type { Tokens } from '../../store/data/tokenize.ts';
import { heldOutStarts, heldOutWindows, type TextPart } from '../../train/batches.ts';
import type { EvaluatedEvent } from '../../train/run.ts';
import { runSampling } from '../../train/run-sample.ts';
import { evaluationPrecisionOf, type TrainingSettings } from '../../train/settings.ts';
import { generate } from '../infer/generate.ts';
import { measureAsymmetry, openLossMeter } from '../model/programs.ts';
import { loadModel, withWeights, type LoadedModel } from '../model/weights.ts';
import type { Device } from '../ort/device.ts';
import { savedWeights } from './step-checkpoint.ts';

/** Tokens [seq + 1] of a window, and the document of each [seq]. */
export interface Window {
  readonly tokens: Int32Array;
  readonly documents: Int32Array;
  /** The name of its text. */
  readonly part: string;
}

/** The model and the text that a run measures with. */
export interface Measured {
  readonly dir: string;
  readonly base: Checkpoint;
  readonly device: Device;
  readonly loaded: LoadedModel;
  readonly heldOut: readonly Window[];
}

/** Held-out losses of the weights and of their moving average, and the asymmetry of a grown model. */
export async function* evaluateWeights(
  { base, device, loaded, heldOut }: Measured,
  settings: TrainingSettings,
  step: number,
): AsyncGenerator<RunEvent> {
  if (heldOut.length > 0) {
    const tokens = heldOut.length * settings.contextLength;
    const { loss, parts } = await heldOutLosses(device, loaded, settings, heldOut);
    const byPart = parts.length > 1 ? { parts } : {};
    yield { type: 'evaluated', step, loss, tokens, ...byPart, precision: evaluationPrecisionOf(settings) };
    if (settings.emaDecay > 0 && step > 0) {
      const emaLoss = await heldOutLoss(device, withWeights(loaded, 'ema'), settings, heldOut);
      yield { type: 'averaged', step, weights: 'ema', loss: emaLoss, tokens };
    }
  }
  if (settings.init !== 'checkpoint') return;
  const copies = findCopies(stagesFromRecord(base.growth, { before: true }));
  if (copies.length > 0)
    yield { type: 'asymmetry', step, value: await measureAsymmetry(device, loaded, copies) };
}

/** Held-out loss of the average of the newest checkpoints, if the run keeps one. */
export async function* evaluateAverage(
  { dir, device, heldOut }: Measured,
  settings: TrainingSettings,
  step: number,
): AsyncGenerator<RunEvent> {
  if (settings.averageCheckpoints < 1 || heldOut.length === 0) return;
  const { checkpoint, source } = await savedWeights(dir, 'average', { latest: settings.averageCheckpoints });
  const average = await loadModel(device, checkpoint, source);
  try {
    const loss = await heldOutLoss(device, average, settings, heldOut);
    const tokens = heldOut.length * settings.contextLength;
    yield { type: 'averaged', step, weights: 'average', loss, tokens };
  } finally {
    average.dispose();
  }
}

/** The mean loss of the held-out windows, in nats per token, and that of each text. */
async function heldOutLosses(
  device: Device,
  loaded: LoadedModel,
  settings: TrainingSettings,
  heldOut: readonly Window[],
): Promise<{ readonly loss: number; readonly parts: NonNullable<EvaluatedEvent['parts']> }> {
  const names = [...new Set(heldOut.map(({ part }) => part))];
  if (names.length < 2) return { loss: await heldOutLoss(device, loaded, settings, heldOut), parts: [] };
  const parts: { name: string; loss: number; tokens: number }[] = [];
  for (const name of names) {
    const windows = heldOut.filter(({ part }) => part === name);
    const loss = await heldOutLoss(device, loaded, settings, windows);
    parts.push({ name, loss, tokens: windows.length * settings.contextLength });
  }
  const total = parts.reduce((sum, { loss, tokens }) => sum + loss * tokens, 0);
  return { loss: total / (heldOut.length * settings.contextLength), parts };
}

/** Mean loss of the held-out windows, in nats per token. */
export async function heldOutLoss(
  device: Device,
  loaded: LoadedModel,
  settings: TrainingSettings,
  heldOut: readonly Window[],
): Promise<number> {
  const { microBatch, contextLength, documentMask } = settings;
  const precision = evaluationPrecisionOf(settings);
  const meter = await openLossMeter(device, loaded, { microBatch, contextLength, documentMask, precision });
  try {
    return await meter.meanLoss(
      heldOut.map((window) => window.tokens),
      heldOut.map((window) => window.documents),
    );
  } finally {
    await meter.dispose();
  }
}

/** At most `most` windows of the held-out text, spread evenly over it. */
export const heldOutText = (
  tokens: Tokens,
  parts: readonly TextPart[],
  contextLength: number,
  most = heldOutWindows,
): readonly Window[] =>
  heldOutStarts(parts, contextLength, most).map((start) => ({
    tokens: tokens.read(start, contextLength + 1),
    documents: tokens.readDocumentIds(start, contextLength),
    part: partNameAt(parts, start),
  }));

/** The name of the text with a held-out token. */
const partNameAt = (parts: readonly TextPart[], at: number): string =>
  parts.find(({ start, train, heldOut }) => at >= start + train && at < start + train + heldOut)?.name ?? '';

/** Generates a sample that continues the prompt, or a new text if the prompt is empty. */
export async function sample(
  { device, loaded }: Measured,
  tokenizer: TextTokenizer,
  { prompt, seed }: TrainingSettings,
  step: number,
): Promise<RunEvent> {
  const encoded = await tokenizer.encode(prompt);
  const context = encoded.length > 0 ? encoded : [tokenizer.bos ?? tokenizer.eos ?? 0];
  const stops = tokenizer.eos === null ? [] : [tokenizer.eos];
  const decoder = tokenizer.createDecodeStream(context);
  const options = { temperature: runSampling.temperature, seed, stops };
  let text = '';
  for await (const token of generate(device, loaded, context, runSampling.tokens, options))
    text += await decoder.push(token);
  return { type: 'sample', step, prompt, text: text + (await decoder.end()) };
}
