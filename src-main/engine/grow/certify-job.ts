/** @file Certifies a grown model: it and its source read the same text, and their outputs are compared. */
import { createQueue } from '../../base/queue.ts';
import { AppError } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { Certificate, CertifyEvent, CertifyProgress } from '../../contract/schema.ts';
import { computeTolerance, judge, type RankedPosition } from '../../growth/certificate.ts';
import { combinePromises } from '../../growth/plan/stages.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { weakestPromise } from '../../model/promise.ts';
import { certificateLimits, certificateVersion, type WorstPosition } from '../../model/certificate.ts';
import { writeCertificate } from '../../store/checkpoint/checkpoint-writer.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import type { CertifyInput } from '../inputs.ts';
import type { Device } from '../ort/device.ts';
import { compareModels, type CompareOptions, type CompareProgress } from './compare-models.ts';

export type CertifyOptions = Pick<CompareOptions, 'files' | 'signal' | 'onProgress'>;

/** Compares a grown checkpoint with its source. Throws what `compareModels` throws. */
export async function certify(
  device: Device,
  sourceDir: string,
  grownDir: string,
  options: CertifyOptions = {},
): Promise<Certificate> {
  const source = await openCheckpoint(sourceDir);
  const grown = await openCheckpoint(grownDir);
  const stages = stagesFromRecord(grown.growth);
  // New tokens take a share of every softmax, whatever the record says or if there is none.
  const hasNewTokens = grown.dims['vocab']! > source.dims['vocab']!;
  const promise = weakestPromise([
    combinePromises(stages).kind,
    ...(hasNewTokens ? (['old-logits'] as const) : []),
  ]);
  const rankBy = promise === 'function-preserving' ? 'maxLogit' : 'kl';
  const comparison = await compareModels(device, source, grown, { ...options, rankBy });
  try {
    const { difference, vocab, contextLength, text, histogram, byPosition } = comparison;
    const dtypes = [...new Set([...source.summary.dtypes, ...grown.summary.dtypes])];
    const tolerance = computeTolerance(dtypes, difference.rmsLogit);
    return {
      version: certificateVersion,
      promise,
      verdict: judge(promise, difference, tolerance),
      ...difference,
      tolerance,
      ...(stages.length > 1
        ? { stages: stages.map((plan) => ({ method: plan.request.method, promise: plan.promise.kind })) }
        : {}),
      vocab,
      softmax: 'all-tokens',
      text,
      contextLength,
      device: device.kind,
      histogram,
      byPosition,
      worst: await describePositions(grown, comparison.worst, comparison.windowOf),
    };
  } finally {
    comparison.close();
  }
}

/** Tokens of context that a worst position shows. */
const contextTokens = 16;

/** Adds the text of each position; token ids if there is no usable tokenizer. */
async function describePositions(
  { dir, dims }: Checkpoint,
  positions: readonly RankedPosition[],
  windowOf: (position: RankedPosition) => Int32Array,
): Promise<readonly WorstPosition[]> {
  const tokenizer = await openTokenizer(dir, dims['vocab']!).catch((error: unknown) => {
    if (error instanceof AppError && error.code.startsWith('checkpoint/')) return undefined;
    throw error;
  });
  const toText = async (tokens: readonly number[]): Promise<string> => {
    const text = (await tokenizer?.decode(tokens, { skipSpecialTokens: false })) ?? tokens.join(' ');
    return text.slice(0, certificateLimits.text);
  };
  const describe = async (ranked: RankedPosition): Promise<WorstPosition> => {
    const window = [...windowOf(ranked)];
    const end = ranked.position + 1;
    return {
      ...ranked,
      context: await toText(window.slice(Math.max(0, end - contextTokens), end)),
      next: await toText([window[end]!]),
      topSource: await toText([ranked.topSource]),
      topGrown: await toText([ranked.topGrown]),
    };
  };
  return Promise.all(positions.map(describe));
}

/** Shortest time between two progress events, in milliseconds. */
const progressInterval = 200;

/**
 * Runs `work` and yields its progress, with the seconds since the current part began; returns its result. Leaving
 * the loop does not stop the work: abort its signal.
 */
export async function* withProgress<T>(
  work: (onProgress: (progress: CompareProgress) => void) => Promise<T>,
): AsyncGenerator<CertifyProgress, T> {
  const queue = createQueue<CertifyProgress>();
  let part: CompareProgress['what'] | undefined;
  let started = 0;
  let reported = -Infinity;
  const result = work((progress) => {
    const now = performance.now();
    if (progress.what !== part) {
      part = progress.what;
      started = now;
      reported = -Infinity;
    }
    if (progress.done < progress.of && now - reported < progressInterval) return;
    reported = now;
    queue.push({ ...progress, seconds: (now - started) / 1000 });
  });
  result.then(queue.end, queue.fail);
  yield* queue;
  return result;
}

/** Certifies as a stream of events. With `save`, stores the certificate in growth.json of the grown checkpoint. */
export async function* certifyJob(
  { source, grown, text, device: choice, save = false }: CertifyInput,
  signal: AbortSignalLike,
): AsyncGenerator<CertifyEvent> {
  const device = await chooseDevice(choice);
  try {
    const events = withProgress((onProgress) =>
      certify(device, source, grown, { files: text, signal, onProgress }),
    );
    let next = await events.next();
    while (!next.done) {
      yield { type: 'progress', ...next.value };
      next = await events.next();
    }
    if (save) await writeCertificate(grown, next.value);
    yield { type: 'done', certificate: next.value };
  } finally {
    await device.dispose();
  }
}
