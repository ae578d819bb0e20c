/** @file Evaluates a checkpoint on text: loss, perplexity and bits per byte. */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { EvaluateEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { openHome } from '../../store/home/home.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokens, tokenizeFiles, type TokenizedData, type Tokens } from '../../store/data/tokenize.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { windowsIn } from '../../train/batches.ts';
import { chooseDevice } from '../device/choose.ts';
import type { EvaluateInput } from '../inputs.ts';
import type { Device } from '../ort/device.ts';
import { openLossMeter } from '../model/programs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { checkpointWeights, loadModel, type LoadedModel } from '../model/weights.ts';
import { getMaxPositions } from '../../model/positions.ts';

/** Batches between two progress events. */
const batchesPerEvent = 8;
/** Tokens of a window, unless a length is given or the model has fewer positions. */
const defaultContextLength = 256;

/**
 * Evaluates a checkpoint, or the newest checkpoint of a run, on windows of `contextLength` tokens from the
 * beginning of the text; on at most `tokens` tokens. Throws `run/bad-setting`, `data/empty`, `cancelled`.
 */
export async function* evaluate(
  input: EvaluateInput,
  signal: AbortSignalLike,
): AsyncGenerator<EvaluateEvent> {
  const { checkpoint: path, data } = input;
  const checkpoint = await openCheckpoint((await isRun(path)) ? await newestModel(path) : path);
  const positions = getMaxPositions(checkpoint);
  const contextLength = input.contextLength ?? Math.min(positions, defaultContextLength);
  if (contextLength > positions)
    refuse('run/bad-setting', {
      setting: 'context length',
      why: `is ${contextLength}, but the model has ${positions} positions`,
    });
  const set = await tokenizeFiles({
    data,
    field: input.field,
    tokenizerDir: checkpoint.dir,
    vocabSize: checkpoint.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
    signal: createLinkedController(signal).signal,
  });
  const tokens = await openTokens(set.folders);
  try {
    if (tokens.length < 2) refuse('data/empty', { path: data.join(', '), tokens: tokens.length, needed: 2 });
    const device = await chooseDevice(input.device);
    try {
      const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
      try {
        yield* evaluateTokens(device, loaded, tokens, { ...input, contextLength, set }, signal);
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

interface EvaluateTokensInput extends EvaluateInput {
  readonly contextLength: number;
  readonly set: TokenizedData;
}

async function* evaluateTokens(
  device: Device,
  loaded: LoadedModel,
  tokens: Tokens,
  { contextLength: requestedLength, batchSize, tokens: maxTokens = Infinity, set }: EvaluateTokensInput,
  signal: AbortSignalLike,
): AsyncGenerator<EvaluateEvent> {
  const contextLength = Math.min(requestedLength, tokens.length - 1);
  const windows = Math.min(
    windowsIn(tokens.length, contextLength),
    Math.max(1, Math.floor(maxTokens / contextLength)),
  );
  const meter = await openLossMeter(device, loaded, {
    microBatch: Math.min(batchSize, windows),
    contextLength,
  });
  try {
    let sum = 0;
    const windowsPerEvent = batchSize * batchesPerEvent;
    for (let first = 0; first < windows; first += windowsPerEvent) {
      if (signal.aborted) refuse('cancelled', { what: 'Evaluating' });
      const count = Math.min(windowsPerEvent, windows - first);
      const batch = Array.from({ length: count }, (_, i) =>
        tokens.read((first + i) * contextLength, contextLength + 1),
      );
      sum += (await meter.meanLoss(batch)) * count;
      yield { type: 'tokens', done: (first + count) * contextLength, of: windows * contextLength };
    }
    const loss = sum / windows;
    const tokenCount = windows * contextLength;
    const bytes = (tokens.bytes * tokenCount) / tokens.length;
    yield {
      type: 'done',
      evaluation: {
        loss,
        perplexity: Math.exp(loss),
        bitsPerByte: (loss * tokenCount) / (Math.LN2 * bytes),
        tokens: tokenCount,
        bytes: Math.round(bytes),
        contextLength,
        documents: set.documents,
        leftOut: set.leftOut,
        device: device.kind,
      },
    };
  } finally {
    await meter.dispose();
  }
}
