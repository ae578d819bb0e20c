/**
 * @file Multiple choice: likelihoods of a reference in float64, the harness's file form, and its way of
 * dividing texts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { answerChoices, pairTokens, scored } from '../../../src-main/engine/infer/choices-job.ts';
import type { ChoicesEvent } from '../../../src-main/contract/schema.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readQuestions } from '../../../src-main/store/data/questions.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { referenceLoss } from '../../support/reference.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { collected, goldenWithTokenizer, quiet, valuesOf } from '../workbench.ts';

function questionFile(lines: readonly unknown[]): string {
  const path = join(freshFolder(), 'questions.jsonl');
  writeFileSync(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return path;
}
const words = (n: number, from: number): string =>
  Array.from({ length: n }, (_, i) => `w${2 + ((from + i * 7 + i * i) % 31)}`).join(' ');
const questions = Array.from({ length: 9 }, (_, i) => ({
  context: words(3 + 2 * i, i),
  choices: [words(1 + (i % 3), 2 * i), words(2, 3 * i + 1), words(3, i + 5), words(1, i + 9)].map(
    (w) => ` ${w}`,
  ),
  right: i % 4,
}));
type Done = Extract<ChoicesEvent, { at: 'done' }>;

it.each(['llama-tied-gqa', 'gpt2-tied'])(
  '%s: answers as a reference in float64 does, whatever the batch',
  async (name) => {
    const dir = await goldenWithTokenizer(name);
    const checkpoint = await openCheckpoint(dir);
    const tokenizer = await openTokenizer(dir);
    const weights = new Map<string, Float64Array>();
    for (const weight of checkpoint.refs.keys())
      weights.set(weight, Float64Array.from(await valuesOf(checkpoint, weight)));
    const total = (tokens: readonly number[]): number =>
      tokens.length < 2 ? 0 : referenceLoss(checkpoint.config, weights, [...tokens]) * (tokens.length - 1);
    const likelihoods = questions.map((q) =>
      q.choices.map((text) => {
        const { tokens, count } = pairTokens(tokenizer, q.context, text, 64);
        return total(tokens.slice(0, tokens.length - count)) - total(tokens);
      }),
    );
    const expected = scored(questions, likelihoods);
    const path = questionFile(
      questions.map(({ context, choices, right }, i) => ({
        doc_id: i,
        target: String(right),
        arguments: choices.map((choice) => [context, choice]),
        resps: [],
      })),
    );
    for (const batch of [1, 5, 64]) {
      const events = await collected(
        answerChoices({ checkpoint: dir, questions: path, batch, device: 'cpu' }, quiet),
      );
      expect((events.at(-1) as Done).answers).toEqual({ ...expected, device: 'cpu' });
      expect(events.at(-2)).toEqual({ at: 'choices', done: 36, of: 36 });
    }
    expect(
      (
        (
          await collected(
            answerChoices({ checkpoint: dir, questions: path, limit: 2, batch: 8, device: 'cpu' }, quiet),
          )
        ).at(-1) as Done
      ).answers.questions,
    ).toBe(2);
  },
);

it('texts are divided where the context ends, its last spaces with the answer; a long one loses its beginning', async () => {
  const tokenizer = await openTokenizer(await goldenWithTokenizer('llama-tied-gqa'));
  const context = 'w3 w4';
  const whole = tokenizer.encode('w3 w4 w5 w6');
  const plain = pairTokens(tokenizer, context, ' w5 w6', 64);
  expect(plain.tokens).toEqual(whole);
  expect(plain.count).toBe(whole.length - tokenizer.encode(context).length);
  expect(pairTokens(tokenizer, `${context} `, 'w5 w6', 64)).toEqual(plain);
  expect(pairTokens(tokenizer, context, ' w5 w6', 2).tokens).toEqual(whole.slice(-3));
  const nothing = pairTokens(tokenizer, '', 'w5', 64);
  expect(nothing.tokens.length).toBeGreaterThan(nothing.count);
});

it('shares are of the likeliest, in all and per byte', () => {
  const two = [
    { context: '', choices: ['aa', 'aaaaaaaa'], right: 1 },
    { context: '', choices: ['a', 'b'], right: 0 },
  ];
  expect(
    scored(two, [
      [-3, -4],
      [-1, -2],
    ]),
  ).toMatchObject({ questions: 2, accuracy: 0.5, perByte: 1, error: 0.5, perByteError: 0 });
});

it('files of both forms are read; a line that is neither is refused with its number', async () => {
  const forms = [
    {
      arguments: { gen_args_0: { arg_0: 'Q', arg_1: ' a' }, gen_args_1: { arg_0: 'Q', arg_1: ' b' } },
      target: 1,
    },
    {
      arguments: [
        ['Q', ' a'],
        ['Q', ' b'],
      ],
      target: ' b',
    },
    { question: 'Q', choices: ['a', 'b'], answer: 1 },
    { query: 'Q', choices: ['a', ' b'], gold: 'B' },
    { context: 'Q', choices: ['a', 'b'], label: 'b' },
  ];
  for (const question of await readQuestions(questionFile(forms)))
    expect(question).toEqual({ context: 'Q', choices: [' a', ' b'], right: 1 });
  const bad = [
    { arguments: [['Q', ' a']], target: 0 },
    {
      arguments: [
        ['Q', ' a'],
        ['R', ' b'],
      ],
      target: 0,
    },
    { question: 'Q', choices: ['a'], answer: 0 },
    { question: 'Q', choices: ['a', 'b'], answer: 2 },
    { choices: ['a', 'b'], answer: 0 },
    '{"question"',
    '7',
  ];
  for (const line of bad)
    expect(
      (await refusal('data/bad-line', () => readQuestions(questionFile([forms[0], line])))).detail,
    ).toMatchObject({ line: 2 });
  await refusal('data/empty', () => readQuestions(questionFile([''])));
  await refusal('file/not-found', () => readQuestions(join(freshFolder(), 'none.jsonl')));
});

it('cancelling ends it', async () => {
  const dir = await goldenWithTokenizer('llama-tied-gqa');
  const { signal, abort } = aborter();
  const path = questionFile(
    questions.map(({ context, choices, right }) => ({ question: context, choices, answer: right })),
  );
  abort();
  await refusal('cancelled', () =>
    collected(answerChoices({ checkpoint: dir, questions: path, batch: 8, device: 'cpu' }, signal)),
  );
});
