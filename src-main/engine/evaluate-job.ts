/** @file Loss, perplexity and bits per byte of a checkpoint on text. */
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../contract/rpc.ts';
import type { EvaluateEvent } from '../contract/schema.ts';
import { openCheckpoint } from '../store/checkpoint.ts';
import { openHome } from '../store/home.ts';
import { isRun } from '../store/runs.ts';
import { openTokens, tokenizeFiles } from '../store/tokens.ts';
import { windowsIn } from '../train/batches.ts';
import { chooseDevice } from './choose.ts';
import type { EvaluateInput } from './inputs.ts';
import { newestModel } from './step-checkpoint.ts';
import { meanLoss } from './training.ts';
import { fromCheckpoint, load } from './weights.ts';

/** Batches between two reports of progress. */
const stride = 8;

/** Reads windows of `sequence` tokens from the beginning of the text; `tokens` is the most to read. */
export async function* evaluate({ checkpoint: from, data, sequence, batch, tokens: most, device: choice }: EvaluateInput, signal: AbortSignalLike): AsyncGenerator<EvaluateEvent> {
  const checkpoint = await openCheckpoint(await isRun(from) ? await newestModel(from) : from);
  const set = await tokenizeFiles({ files: data, tokenizer: checkpoint.dir, vocab: checkpoint.dims['vocab']!, cache: await openHome().cache('tokens') });
  const tokens = await openTokens(set.folders), shape = { batch, sequence: Math.min(sequence, tokens.length - 1) };
  const windows = shape.sequence > 0 ? Math.min(windowsIn(tokens.length, shape.sequence), Math.max(1, Math.floor((most ?? Infinity) / shape.sequence))) : 0;
  if (windows < 1) refuse('data/empty', { path: data.join(', '), tokens: tokens.length, needed: 2 });
  const device = await chooseDevice(choice);
  try {
    const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
    try {
      let sum = 0;
      for (let at = 0; at < windows; at += batch * stride) {
        if (signal.aborted) refuse('cancelled', { what: 'Evaluating' });
        const some = Array.from({ length: Math.min(batch * stride, windows - at) }, (_, i) => tokens.read((at + i) * shape.sequence, shape.sequence + 1));
        sum += await meanLoss(device, loaded, shape, some) * some.length;
        yield { at: 'tokens', done: (at + some.length) * shape.sequence, of: windows * shape.sequence };
      }
      const loss = sum / windows, read = windows * shape.sequence, bytes = (tokens.bytes * read) / tokens.length;
      yield { at: 'done', evaluation: { loss, perplexity: Math.exp(loss), bitsPerByte: (loss * read) / (Math.LN2 * bytes), tokens: read, bytes: Math.round(bytes), device: device.kind } };
    } finally { loaded.dispose(); }
  } finally { tokens.close(); await device.dispose(); }
}
