/**
 * @file Multiple-choice accuracy by likelihood: the choice whose tokens the model finds likeliest after the
 * context, in all and per byte of its text.
 */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ChoicesEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { readQuestions, type Question } from '../../store/data/questions.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokenizer, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import type { ChoicesInput } from '../inputs.ts';
import { lossMeter, type LossMeter } from '../model/programs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { fromCheckpoint, load, positionsOf } from '../model/weights.ts';

/** One choice as the model reads it: `tokens`, of which the last `count` are the continuation. */
interface Read {
  readonly question: number;
  readonly choice: number;
  readonly tokens: readonly number[];
  readonly count: number;
}

/**
 * Tokens of a context with a continuation, as lm-evaluation-harness divides them (its
 * TemplateLM._encode_pair): spaces at the context's end belong to the continuation, both are encoded
 * together,
 * and what goes beyond the context's own tokens is the continuation. Of a text that is too long the beginning
 * is dropped.
 */
export function pairTokens(
  tokenizer: Pick<TextTokenizer, 'encode' | 'bos' | 'eos'>,
  context: string,
  choice: string,
  most: number,
): Pick<Read, 'tokens' | 'count'> {
  const bare = context.trimEnd();
  const before = tokenizer.encode(bare);
  const whole = tokenizer.encode(bare + context.slice(bare.length) + choice);
  const start = before.length > 0 ? whole : [tokenizer.bos ?? tokenizer.eos ?? 0, ...whole];
  const count = Math.max(1, whole.length - before.length);
  return { tokens: start.slice(-(most + 1)), count: Math.min(count, most) };
}

/**
 * Windows of like length are read together, each filled up to a power of two; what fills is behind the
 * continuation and read by nobody.
 */
const roomOf = (tokens: number, most: number): number =>
  Math.min(most, Math.max(16, 2 ** Math.ceil(Math.log2(tokens - 1))));

export async function* answerChoices(
  { checkpoint: from, questions: path, limit, batch, device: choice }: ChoicesInput,
  signal: AbortSignalLike,
): AsyncGenerator<ChoicesEvent> {
  const checkpoint = await openCheckpoint((await isRun(from)) ? await newestModel(from) : from);
  const tokenizer = await openTokenizer(checkpoint.dir, checkpoint.dims['vocab']!);
  const questions = await readQuestions(path, limit);
  const longest = Math.min(positionsOf(checkpoint), 1 << 16);
  const reads = questions.flatMap((q, question) =>
    q.choices.map((text, i): Read => ({
      question,
      choice: i,
      ...pairTokens(tokenizer, q.context, text, longest),
    })),
  );
  const rooms = [...Map.groupBy(reads, (read) => roomOf(read.tokens.length, longest))].sort(
    ([a], [b]) => a - b,
  );
  const likelihoods = questions.map((q) => new Float64Array(q.choices.length));
  const device = await chooseDevice(choice);
  try {
    const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
    try {
      let done = 0;
      for (const [room, some] of rooms) {
        const meter = await lossMeter(device, loaded, {
          batch: Math.min(batch, some.length),
          sequence: room,
        });
        try {
          for (let at = 0; at < some.length; at += batch) {
            if (signal.aborted) refuse('cancelled', { what: 'Answering' });
            const now = some.slice(at, at + batch);
            await answered(meter, now, room, likelihoods);
            done += now.length;
            yield { at: 'choices', done, of: reads.length };
          }
        } finally {
          await meter.dispose();
        }
      }
      yield { at: 'done', answers: { ...scored(questions, likelihoods), device: device.kind } };
    } finally {
      loaded.dispose();
    }
  } finally {
    await device.dispose();
  }
}

/** Writes the log-likelihood of each read choice, in nats. */
async function answered(
  meter: LossMeter,
  reads: readonly Read[],
  room: number,
  likelihoods: readonly Float64Array[],
): Promise<void> {
  const windows = reads.map(({ tokens }) => {
    const window = new Int32Array(room + 1);
    window.set(tokens);
    return window;
  });
  const losses = await meter.each(windows);
  reads.forEach(({ question, choice, tokens, count }, i) => {
    likelihoods[question]![choice] = -losses[i]!.subarray(
      tokens.length - 1 - count,
      tokens.length - 1,
    ).reduce((a, b) => a + b, 0);
  });
}

/**
 * Shares of questions whose likeliest choice is right: by likelihood, and by likelihood per byte; with the
 * standard error of each.
 */
export function scored(
  questions: readonly Question[],
  likelihoods: readonly ArrayLike<number>[],
): {
  readonly questions: number;
  readonly accuracy: number;
  readonly perByte: number;
  readonly error: number;
  readonly perByteError: number;
} {
  const likeliest = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));
  const right = (score: (nats: number, text: string) => number): number =>
    questions.filter(
      (q, i) => likeliest(q.choices.map((text, j) => score(likelihoods[i]![j]!, text))) === q.right,
    ).length / questions.length;
  const utf8 = new TextEncoder();
  const accuracy = right((nats) => nats);
  const perByte = right((nats, text) => nats / Math.max(1, utf8.encode(text).length));
  const n = questions.length;
  const errorOf = (share: number): number => (n < 2 ? 0 : Math.sqrt((share * (1 - share)) / (n - 1)));
  return { questions: n, accuracy, perByte, error: errorOf(accuracy), perByteError: errorOf(perByte) };
}
