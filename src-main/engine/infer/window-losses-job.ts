/**
 * @file The losses of a run's newest checkpoint on single windows of its held-out text, so that models that were
 * trained on the same text can be compared window by window.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { WindowLosses } from '../../contract/engine.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { openTokens, tokenizeFiles } from '../../store/data/tokenize.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { openHome } from '../../store/home/home.ts';
import { readRun } from '../../store/run/runs.ts';
import { textFilterOf, textParts } from '../../train/run-text.ts';
import { evaluationPrecisionOf } from '../../train/settings.ts';
import { chooseDevice } from '../device/choose.ts';
import type { WindowLossesInput } from '../inputs.ts';
import { openLossMeter } from '../model/programs.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';
import { heldOutText } from '../train/run-measures.ts';
import { newestModel } from '../train/step-checkpoint.ts';

/** Measures at most `windows` windows, spread evenly over the held-out text. Throws `data/empty`, `cancelled`. */
export async function windowLosses(
  { run: dir, windows }: WindowLossesInput,
  signal: AbortSignalLike,
): Promise<WindowLosses> {
  const run = await readRun(dir);
  const { settings, data, field } = run;
  const checkpoint = await openCheckpoint(await newestModel(dir));
  const tokenized = await tokenizeFiles({
    data,
    field,
    filter: textFilterOf(settings),
    tokenizerDir: checkpoint.dir,
    vocabSize: checkpoint.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
    signal: createLinkedController(signal).signal,
  });
  const tokens = await openTokens(tokenized.folders);
  try {
    const { microBatch, contextLength, documentMask } = settings;
    const heldOut = heldOutText(tokens, textParts(run, tokenized.lengths), contextLength, windows);
    const device = await chooseDevice(settings.device, settings.threads, { tf32: settings.tf32 === 'on' });
    try {
      const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
      try {
        const precision = evaluationPrecisionOf(settings);
        const shape = { microBatch, contextLength, documentMask, precision };
        const meter = await openLossMeter(device, loaded, shape);
        try {
          if (signal.aborted) refuse('cancelled', { what: 'Measuring' });
          const losses = await meter.windowLosses(
            heldOut.map((window) => window.tokens),
            heldOut.map((window) => window.documents),
          );
          return { losses, textHash: tokens.textHash };
        } finally {
          await meter.dispose();
        }
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
