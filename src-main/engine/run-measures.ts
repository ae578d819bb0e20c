/** @file What a run measures of itself between steps: the loss on held-out text, and a few words of its own. */
import type { RunEvent } from '../contract/schema.ts';
import type { TextTokenizer } from '../store/tokenizer.ts';
import type { Tokens } from '../store/tokens.ts';
import { windowsIn } from '../train/batches.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { generate } from './generate.ts';
import type { Device } from './ort/device.ts';
import { lossMeter } from './programs.ts';
import type { Loaded } from './weights.ts';

/** At most this many held-out windows are read at an evaluation. */
const heldOutWindows = 64;
/** Tokens of a sample. */
const sampleTokens = 64;

/** Mean loss in nats on held-out windows. */
export async function heldOutLoss(device: Device, loaded: Loaded, { batch, sequence }: TrainingSettings, held: readonly Int32Array[]): Promise<number> {
  const meter = await lossMeter(device, loaded, { batch, sequence });
  try { return await meter.mean(held); } finally { await meter.dispose(); }
}

/** Windows of the held-out text, spread evenly over it. */
export function heldOut(tokens: Tokens, from: number, sequence: number): readonly Int32Array[] {
  const windows = windowsIn(tokens.length - from, sequence), taken = Math.min(windows, heldOutWindows);
  return Array.from({ length: taken }, (_, i) => tokens.read(from + Math.floor((i * windows) / taken) * sequence, sequence + 1));
}

/** A few words of the model's own, after the prompt or from the beginning of a text. */
export async function sampled(device: Device, loaded: Loaded, tokenizer: TextTokenizer, { prompt, seed }: TrainingSettings, step: number): Promise<RunEvent> {
  const before = tokenizer.encode(prompt), first = before.length > 0 ? before : [tokenizer.bos ?? tokenizer.eos ?? 0];
  const stops = tokenizer.eos === null ? [] : [tokenizer.eos], writing = tokenizer.stream(first);
  let text = '';
  for await (const token of generate(device, loaded, first, sampleTokens, { temperature: 0.8, seed, stops })) text += writing.push(token);
  return { at: 'sample', step, prompt, text: text + writing.end() };
}
