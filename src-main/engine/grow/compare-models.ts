/**
 * @file Compares two models on the same text, batch by batch. Both stay on the device for a long text; for a short
 * one, or where they do not fit together, one is loaded after the other and the source's logits wait on the host.
 */
import { refuse } from '../../base/errors.ts';
import { type AbortSignalLike, neverAborts } from '../../base/signals.ts';
import type { CertificateText, CertifyProgress } from '../../contract/schema.ts';
import {
  createComparison,
  type Comparison,
  type ComparisonSettings,
  type RankedPosition,
} from '../../growth/certificate.ts';
import type { Certificate, ModelDifference } from '../../model/certificate.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { checkpointWeights, type WeightSource } from '../model/weights.ts';
import type { Device } from '../ort/device.ts';
import { openBuiltInText, openTextFiles, type ComparedText } from './compared-text.ts';
import { ModelPair, type SourceLogits } from './model-pair.ts';

export type CompareProgress = Omit<CertifyProgress, 'seconds'>;

export interface CompareOptions {
  /** Default: the built-in text. */
  readonly files?: CertificateText | undefined;
  /** By what the worst positions are chosen; default `maxLogit`. */
  readonly rankBy?: ComparisonSettings['rankBy'];
  readonly signal?: AbortSignalLike;
  readonly onProgress?: ((progress: CompareProgress) => void) | undefined;
  /** Weights of the first model, if they are not those of its checkpoint. */
  readonly weights?: WeightSource;
  /**
   * Bytes of the source's logits that wait on the host while the grown model is loaded: of a whole short text, and
   * of a part of a long one, if the models do not fit together.
   */
  readonly shortTextBytes?: number;
  readonly longTextBytes?: number;
}

export interface ModelComparison extends Required<
  Pick<Certificate, 'vocab' | 'contextLength' | 'text' | 'histogram' | 'byPosition'>
> {
  readonly difference: ModelDifference;
  readonly worst: readonly RankedPosition[];
  /** The tokens of the window of a position, and the one that follows. */
  readonly windowOf: (position: RankedPosition) => Int32Array;
  close(): void;
}

/** Tokens of a batch, if the logits of one window allow it. */
const batchTokens = 2048;
/** Most bytes of the source's logits of one batch, if one window has fewer. */
const batchBytes = 2 ** 28;

/**
 * Compares two models. Throws `checkpoint/unsupported` if the second vocabulary is smaller, `cancelled`, and what
 * opening the text throws. The caller closes the result.
 */
export async function compareModels(
  device: Device,
  source: Checkpoint,
  grown: Checkpoint,
  options: CompareOptions = {},
): Promise<ModelComparison> {
  const { files, rankBy = 'maxLogit', signal = neverAborts, onProgress } = options;
  const vocab = { source: source.dims['vocab']!, grown: grown.dims['vocab']! };
  if (vocab.grown < vocab.source)
    refuse('checkpoint/unsupported', {
      what: `comparing a vocabulary of ${vocab.source} with the smaller one of ${vocab.grown}`,
      why: 'tokens of the first have no logits in the second',
    });
  const pair = new ModelPair(device, source, grown, options.weights ?? checkpointWeights(source));
  let text: ComparedText | undefined;
  try {
    text = files
      ? await openTextFiles(source, files, signal, (done, of) =>
          onProgress?.({ what: 'tokenizing', done, of }),
        )
      : await openBuiltInText(device, source, await pair.loadSource(), signal);
    const { contextLength, description } = text;
    const comparison = createComparison({ vocab: vocab.source, contextLength, rankBy });
    await compareText(pair, text, comparison, options);
    const opened = text;
    return {
      vocab,
      contextLength,
      text: description,
      ...comparison.details(),
      difference: comparison.difference(),
      worst: comparison.worst(),
      windowOf: ({ token }) => opened.read(Math.floor(token / contextLength)),
      close: () => {
        opened.close();
      },
    };
  } catch (error) {
    text?.close();
    throw error;
  } finally {
    await pair.dispose();
  }
}

/** Adds the statistics of every position of a text to `comparison`. */
async function compareText(
  pair: ModelPair,
  text: ComparedText,
  comparison: Comparison,
  {
    signal = neverAborts,
    onProgress,
    shortTextBytes = 2 ** 29,
    longTextBytes = 2 ** 31,
  }: Omit<CompareOptions, 'files'>,
): Promise<void> {
  const { contextLength, windows } = text;
  const windowBytes = 4 * contextLength * pair.source.dims['vocab']!;
  const batch = chooseBatch(text, windowBytes);
  const batches = Math.ceil(windows / batch);
  const isShort = batches * batch * windowBytes <= shortTextBytes;
  pair.open({ microBatch: batch, contextLength });
  const keepsBoth = !isShort && (await pair.loadBoth());
  const keptBytes = isShort ? shortTextBytes : longTextBytes;
  const perRound = keepsBoth ? 1 : Math.max(1, Math.floor(keptBytes / (batch * windowBytes)));

  let reads = 0;
  const readBatch = (index: number): readonly Int32Array[] => {
    if (signal.aborted) refuse('cancelled', { what: 'Comparing' });
    const count = Math.min(batch, windows - index * batch);
    reads += count;
    return Array.from({ length: count }, (_, i) => text.read(index * batch + i));
  };
  // Each window is read twice, by either model.
  const report = (): void => {
    onProgress?.({ what: 'comparing', done: (reads * contextLength) / 2, of: windows * contextLength });
  };
  for (let first = 0; first < batches; first += perRound) {
    const end = Math.min(batches, first + perRound);
    const kept: SourceLogits[] = [];
    try {
      for (let i = first; i < end; i++) {
        kept.push(await pair.readSource(readBatch(i)));
        report();
      }
      for (const [i, logits] of kept.entries()) {
        comparison.add(await pair.compare(readBatch(first + i), logits));
        logits.dispose();
        report();
      }
    } finally {
      for (const logits of kept) logits.dispose();
    }
  }
}

/** Windows of a batch. */
const chooseBatch = ({ contextLength, windows }: ComparedText, windowBytes: number): number =>
  Math.max(
    1,
    Math.min(windows, Math.floor(batchTokens / contextLength), Math.floor(batchBytes / windowBytes)),
  );
