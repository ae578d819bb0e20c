/** @file Multiple-choice files: those of lm-evaluation-harness and plain ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readMultipleChoiceQuestions } from '../../../src-main/store/data/multiple-choice.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

function createFile(lines: readonly unknown[]): string {
  const path = join(freshFolder(), 'questions.jsonl');
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(path, text.join('\n'));
  return path;
}

const choicesAfter = (first: string, second: string): readonly (readonly string[])[] => [
  [first, ' a'],
  [second, ' b'],
];
const valid = [
  {
    arguments: { gen_args_0: { arg_0: 'Q', arg_1: ' a' }, gen_args_1: { arg_0: 'Q', arg_1: ' b' } },
    target: 1,
  },
  { arguments: choicesAfter('Q', 'Q'), target: ' b' },
  { question: 'Q', choices: ['a', 'b'], answer: 1 },
  { query: 'Q', choices: ['a', ' b'], gold: 'B' },
  { context: 'Q', choices: ['a', 'b'], label: 'b' },
];

it('reads every form of a question', async () => {
  const questions = await readMultipleChoiceQuestions(createFile(valid));
  expect(questions).toHaveLength(valid.length);
  for (const question of questions)
    expect(question).toEqual({ context: 'Q', choices: [' a', ' b'], answer: 1 });
});

it.each([
  { arguments: [['Q', ' a']], target: 0 },
  { arguments: choicesAfter('Q', 'R'), target: 0 },
  { question: 'Q', choices: ['a'], answer: 0 },
  { question: 'Q', choices: ['a', 'b'], answer: 2 },
  { question: 'Q', choices: ['a', 'b'], answer: { toString: 1 } },
  { choices: ['a', 'b'], answer: 0 },
  '{"question"',
  '7',
])('refuses %j with the number of its line', async (line) => {
  const { detail } = await expectAppError('data/bad-line', () =>
    readMultipleChoiceQuestions(createFile([valid[0], line])),
  );
  expect(detail).toMatchObject({ line: 2 });
});

it('refuses an empty and a missing file', async () => {
  await expectAppError('data/empty', () => readMultipleChoiceQuestions(createFile([''])));
  await expectAppError('file/not-found', () =>
    readMultipleChoiceQuestions(join(freshFolder(), 'none.jsonl')),
  );
});
