/**
 * @file Multiple-choice accuracy by log-likelihood, like lm-evaluation-harness: the model's answer is the
 * choice with the highest log-likelihood, in total (acc) or per byte of its text (acc_norm).
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ChoicesEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import {
  readMultipleChoiceQuestions,
  type MultipleChoiceQuestion,
} from '../../store/data/multiple-choice.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokenizer, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import type { ChoicesInput } from '../inputs.ts';
import { openLossMeter, type LossMeter } from '../model/programs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';
import { getMaxPositions } from '../../model/positions.ts';

/** A choice after its context. The last `count` of `tokens` are the choice. */
interface EncodedChoice {
  readonly question: number;
  readonly choice: number;
  readonly tokens: readonly number[];
  readonly count: number;
}

/** What rstrip of Python removes. (`trimEnd` also removes U+FEFF, and keeps U+0085 and others.) */
const trailingSpace = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/**
 * Encodes a context and a continuation, like TemplateLM._encode_pair of lm-evaluation-harness: spaces at the
 * end of the context belong to the continuation, both are encoded together, and the tokens beyond those of the
 * context alone are the continuation. Keeps the last `maxTokens` + 1 tokens.
 */
export async function encodePair(
  tokenizer: Pick<TextTokenizer, 'encode' | 'bos' | 'eos'>,
  context: string,
  continuation: string,
  maxTokens: number,
): Promise<Pick<EncodedChoice, 'tokens' | 'count'>> {
  const contextTokens = await tokenizer.encode(context.replace(trailingSpace, ''));
  const allTokens = await tokenizer.encode(context + continuation);
  const tokens = contextTokens.length > 0 ? allTokens : [tokenizer.bos ?? tokenizer.eos ?? 0, ...allTokens];
  const count = Math.max(1, allTokens.length - contextTokens.length);
  return { tokens: tokens.slice(-(maxTokens + 1)), count: Math.min(count, maxTokens) };
}

/**
 * Returns the context length to pad a text to: a power of two, so that texts of similar lengths form a batch.
 * The padding follows the continuation, so it does not change its likelihood.
 */
const computePaddedLength = (tokens: number, maxTokens: number): number =>
  Math.min(maxTokens, Math.max(16, 2 ** Math.ceil(Math.log2(tokens - 1))));

/** Computes the accuracy of a checkpoint, or of the newest checkpoint of a run. Throws `cancelled`. */
export async function* evaluateChoices(
  { checkpoint: path, questions: questionsPath, limit, batchSize, device: choice }: ChoicesInput,
  signal: AbortSignalLike,
): AsyncGenerator<ChoicesEvent> {
  const checkpoint = await openCheckpoint((await isRun(path)) ? await newestModel(path) : path);
  const tokenizer = await openTokenizer(checkpoint.dir, checkpoint.dims['vocab']!);
  const questions = await readMultipleChoiceQuestions(questionsPath, limit);
  const maxTokens = Math.min(getMaxPositions(checkpoint), 1 << 16);
  const encoded: EncodedChoice[] = [];
  for (const [question, { context, choices }] of questions.entries()) {
    if (signal.aborted) refuse('cancelled', { what: 'Answering' });
    const pairs = choices.map((text) => encodePair(tokenizer, context, text, maxTokens));
    for (const [index, pair] of (await Promise.all(pairs)).entries())
      encoded.push({ question, choice: index, ...pair });
  }
  const groups = Map.groupBy(encoded, ({ tokens }) => computePaddedLength(tokens.length, maxTokens));
  const likelihoods = questions.map((q) => new Float64Array(q.choices.length));
  const device = await chooseDevice(choice);
  try {
    const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
    try {
      let done = 0;
      for (const [contextLength, group] of [...groups].sort(([a], [b]) => a - b)) {
        const meter = await openLossMeter(device, loaded, {
          microBatch: Math.min(batchSize, group.length),
          contextLength,
        });
        try {
          for (let first = 0; first < group.length; first += batchSize) {
            if (signal.aborted) refuse('cancelled', { what: 'Answering' });
            const batch = group.slice(first, first + batchSize);
            await computeLikelihoods(meter, batch, contextLength, likelihoods);
            done += batch.length;
            yield { type: 'choices', done, of: encoded.length };
          }
        } finally {
          await meter.dispose();
        }
      }
      yield { type: 'done', answers: { ...scoreChoices(questions, likelihoods), device: device.kind } };
    } finally {
      loaded.dispose();
    }
  } finally {
    await device.dispose();
  }
}

/** Writes the log-likelihood of each choice, in nats, into `likelihoods[question][choice]`. */
async function computeLikelihoods(
  meter: LossMeter,
  choices: readonly EncodedChoice[],
  contextLength: number,
  likelihoods: readonly Float64Array[],
): Promise<void> {
  const windows = choices.map(({ tokens }) => {
    const window = new Int32Array(contextLength + 1);
    window.set(tokens);
    return window;
  });
  const losses = await meter.tokenLosses(windows);
  choices.forEach(({ question, choice, tokens, count }, i) => {
    const end = tokens.length - 1;
    const continuation = losses[i]!.subarray(end - count, end);
    likelihoods[question]![choice] = -continuation.reduce((a, b) => a + b, 0);
  });
}

/**
 * Returns the share of questions whose most likely choice is right, by log-likelihood and by log-likelihood
 * per byte, each with its standard error.
 */
export function scoreChoices(
  questions: readonly MultipleChoiceQuestion[],
  likelihoods: readonly ArrayLike<number>[],
): {
  readonly questions: number;
  readonly accuracy: number;
  readonly perByte: number;
  readonly error: number;
  readonly perByteError: number;
} {
  const argmax = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));
  const shareRight = (score: (nats: number, text: string) => number): number => {
    const right = questions.filter(({ choices, answer }, i) => {
      const scores = choices.map((text, j) => score(likelihoods[i]![j]!, text));
      return argmax(scores) === answer;
    });
    return right.length / questions.length;
  };
  const utf8 = new TextEncoder();
  const accuracy = shareRight((nats) => nats);
  const perByte = shareRight((nats, text) => nats / Math.max(1, utf8.encode(text).length));
  const n = questions.length;
  const standardError = (share: number): number => (n < 2 ? 0 : Math.sqrt((share * (1 - share)) / (n - 1)));
  return {
    questions: n,
    accuracy,
    perByte,
    error: standardError(accuracy),
    perByteError: standardError(perByte),
  };
}
