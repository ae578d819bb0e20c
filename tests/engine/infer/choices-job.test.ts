/** @file Multiple-choice evaluation: the log-likelihoods equal a float64 reference. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { evaluateChoices, encodePair, scoreChoices } from '../../../src-main/engine/infer/choices-job.ts';
import type { ChoicesInput } from '../../../src-main/engine/inputs.ts';
import type { ChoicesEvent, ChoicesResult } from '../../../src-main/contract/schema.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openTokenizer, type TextTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { referenceLoss } from '../../support/reference.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { collect, createGoldenWithTokenizer, neverAborted, readValues } from '../workbench.ts';

function createQuestionFile(questions: readonly unknown[]): string {
  const path = join(freshFolder(), 'questions.jsonl');
  writeFileSync(path, questions.map((question) => JSON.stringify(question)).join('\n'));
  return path;
}
const words = (count: number, start: number): string =>
  Array.from({ length: count }, (_, i) => `w${2 + ((start + i * 7 + i * i) % 31)}`).join(' ');
const questions = Array.from({ length: 9 }, (_, i) => ({
  context: words(3 + 2 * i, i),
  choices: [words(1 + (i % 3), 2 * i), words(2, 3 * i + 1), words(3, i + 5), words(1, i + 9)].map(
    (text) => ` ${text}`,
  ),
  answer: i % 4,
}));

async function evaluateFile(input: Omit<ChoicesInput, 'device'>): Promise<{
  readonly answers: ChoicesResult;
  readonly events: readonly ChoicesEvent[];
}> {
  const events = await collect(evaluateChoices({ ...input, device: 'cpu' }, neverAborted));
  const { answers } = events.at(-1) as Extract<ChoicesEvent, { type: 'done' }>;
  return { answers, events };
}

describe.each(['llama-tied-gqa', 'gpt2-tied'])('%s', (name) => {
  it('has the accuracy of the reference for any batch size', async () => {
    const dir = await createGoldenWithTokenizer(name);
    const checkpoint = await openCheckpoint(dir);
    const tokenizer = await openTokenizer(dir);
    const weights = new Map<string, Float64Array>();
    for (const weight of checkpoint.tensors.keys())
      weights.set(weight, Float64Array.from(await readValues(checkpoint, weight)));
    const totalLoss = (tokens: readonly number[]): number =>
      tokens.length < 2 ? 0 : referenceLoss(checkpoint.config, weights, [...tokens]) * (tokens.length - 1);
    const likelihood = async (context: string, text: string): Promise<number> => {
      const { tokens, count } = await encodePair(tokenizer, context, text, 64);
      return totalLoss(tokens.slice(0, tokens.length - count)) - totalLoss(tokens);
    };
    const likelihoods = await Promise.all(
      questions.map(({ context, choices }) => Promise.all(choices.map((text) => likelihood(context, text)))),
    );
    const expected = { ...scoreChoices(questions, likelihoods), device: 'cpu' };
    const file = createQuestionFile(
      questions.map(({ context, choices, answer }, i) => ({
        doc_id: i,
        target: String(answer),
        arguments: choices.map((choice) => [context, choice]),
        resps: [],
      })),
    );
    for (const batchSize of [1, 5, 64]) {
      const { answers, events } = await evaluateFile({ checkpoint: dir, questions: file, batchSize });
      expect(answers).toEqual(expected);
      expect(events.at(-2)).toEqual({ type: 'choices', done: 36, of: 36 });
    }
    const limited = await evaluateFile({ checkpoint: dir, questions: file, limit: 2, batchSize: 8 });
    expect(limited.answers.questions).toBe(2);
  });
});

describe('encodePair', () => {
  const context = 'w3 w4';
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    tokenizer = await openTokenizer(await createGoldenWithTokenizer('llama-tied-gqa'));
  });

  it('splits the tokens of the whole text at the end of the context', async () => {
    const tokens = await tokenizer.encode('w3 w4 w5 w6');
    const pair = await encodePair(tokenizer, context, ' w5 w6', 64);
    expect(pair.tokens).toEqual(tokens);
    expect(pair.count).toBe(tokens.length - (await tokenizer.encode(context)).length);
  });

  it('moves trailing spaces of the context to the continuation', async () => {
    const pair = await encodePair(tokenizer, context, ' w5 w6', 64);
    expect(await encodePair(tokenizer, `${context} `, 'w5 w6', 64)).toEqual(pair);
  });

  it('drops the beginning of a text that is too long', async () => {
    const tokens = await tokenizer.encode('w3 w4 w5 w6');
    expect((await encodePair(tokenizer, context, ' w5 w6', 2)).tokens).toEqual(tokens.slice(-3));
  });

  it('adds a token in front of a continuation without context', async () => {
    const pair = await encodePair(tokenizer, '', 'w5', 64);
    expect(pair.tokens.length).toBeGreaterThan(pair.count);
  });
});

it('scores the most likely choice, in total and per byte', () => {
  const twoQuestions = [
    { context: '', choices: ['aa', 'aaaaaaaa'], answer: 1 },
    { context: '', choices: ['a', 'b'], answer: 0 },
  ];
  const likelihoods = [
    [-3, -4],
    [-1, -2],
  ];
  expect(scoreChoices(twoQuestions, likelihoods)).toMatchObject({
    questions: 2,
    accuracy: 0.5,
    perByte: 1,
    error: 0.5,
    perByteError: 0,
  });
});

it('can be cancelled', async () => {
  const checkpoint = await createGoldenWithTokenizer('llama-tied-gqa');
  const { signal, abort } = createAborter();
  const file = createQuestionFile(
    questions.map(({ context, choices, answer }) => ({ question: context, choices, answer })),
  );
  abort();
  await expectAppError('cancelled', () =>
    collect(evaluateChoices({ checkpoint, questions: file, batchSize: 8, device: 'cpu' }, signal)),
  );
});
