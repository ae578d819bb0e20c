/** @file Loss, perplexity and bits per byte of a checkpoint on text. */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { EvaluateEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { openHome } from '../../store/home/home.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokens, tokenizeFiles, type Tokens } from '../../store/data/tokens.ts';
import { controllerOf } from '../../store/fs/signals.ts';
import { windowsIn } from '../../train/batches.ts';
import { chooseDevice } from '../device/choose.ts';
import type { EvaluateInput } from '../inputs.ts';
import type { Device } from '../ort/device.ts';
import { lossMeter } from '../model/programs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { fromCheckpoint, load, positionsOf, type Loaded } from '../model/weights.ts';

/** Batches between two reports of progress. */
const stride = 8;

/**
 * Reads windows of `sequence` tokens from the beginning of the text; `tokens` is the most to read. Refuses
 * `run/bad-setting`, `data/empty`.
 */
export async function* evaluate(
  input: EvaluateInput,
  signal: AbortSignalLike,
): AsyncGenerator<EvaluateEvent> {
  const { checkpoint: from, data, sequence } = input;
  const checkpoint = await openCheckpoint((await isRun(from)) ? await newestModel(from) : from);
  const longest = positionsOf(checkpoint);
  if (sequence > longest)
    refuse('run/bad-setting', {
      setting: 'sequence',
      why: `is ${sequence}, but the model has ${longest} positions`,
    });
  const set = await tokenizeFiles({
    data,
    field: input.field,
    tokenizer: checkpoint.dir,
    vocab: checkpoint.dims['vocab']!,
    cache: await openHome().cache('tokens'),
    signal: controllerOf(signal).signal,
  });
  const tokens = await openTokens(set.folders);
  try {
    if (tokens.length < 2) refuse('data/empty', { path: data.join(', '), tokens: tokens.length, needed: 2 });
    const device = await chooseDevice(input.device);
    try {
      const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
      try {
        yield* read(device, loaded, tokens, input, signal);
      } finally {
        loaded.dispose();
      }
    } finally {
      await device.dispose();
    }
  } finally {
    tokens.close();
  }
}

async function* read(
  device: Device,
  loaded: Loaded,
  tokens: Tokens,
  { sequence: asked, batch, tokens: most = Infinity }: EvaluateInput,
  signal: AbortSignalLike,
): AsyncGenerator<EvaluateEvent> {
  const sequence = Math.min(asked, tokens.length - 1);
  const windows = Math.min(windowsIn(tokens.length, sequence), Math.max(1, Math.floor(most / sequence)));
  const meter = await lossMeter(device, loaded, { batch: Math.min(batch, windows), sequence });
  try {
    let sum = 0;
    for (let at = 0; at < windows; at += batch * stride) {
      if (signal.aborted) refuse('cancelled', { what: 'Evaluating' });
      const some = Array.from({ length: Math.min(batch * stride, windows - at) }, (_, i) =>
        tokens.read((at + i) * sequence, sequence + 1),
      );
      sum += (await meter.mean(some)) * some.length;
      yield { at: 'tokens', done: (at + some.length) * sequence, of: windows * sequence };
    }
    const loss = sum / windows;
    const count = windows * sequence;
    const bytes = (tokens.bytes * count) / tokens.length;
    yield {
      at: 'done',
      evaluation: {
        loss,
        perplexity: Math.exp(loss),
        bitsPerByte: (loss * count) / (Math.LN2 * bytes),
        tokens: count,
        bytes: Math.round(bytes),
        device: device.kind,
      },
    };
  } finally {
    await meter.dispose();
  }
}
