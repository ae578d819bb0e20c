/**
 * @file Multiple-choice questions, one JSON object a line: what lm-evaluation-harness writes with
 * --log_samples (its `arguments` are the texts as the model saw them), or `{"question": …, "choices": […],
 * "answer": index}`.
 */
import { open } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import { isObject, reading } from '../fs/files.ts';

/** The text before, each continuation as it follows it, and which one is right. */
export interface Question {
  readonly context: string;
  readonly choices: readonly string[];
  readonly right: number;
}

/** All questions of a file, at most `most`. Refuses `data/bad-line`, `data/empty`. */
export async function readQuestions(path: string, most = Infinity): Promise<readonly Question[]> {
  const file = await reading(path, () => open(path, 'r'));
  const questions: Question[] = [];
  let line = 0;
  try {
    for await (const text of file.readLines({ encoding: 'utf8' })) {
      line++;
      if (text.trim() === '') continue;
      questions.push(questionIn(text, (why) => refuse('data/bad-line', { path, line, why })));
      if (questions.length >= most) break;
    }
  } finally {
    await file.close();
  }
  return questions.length > 0 ? questions : refuse('data/empty', { path, tokens: 0, needed: 1 });
}

function questionIn(line: string, bad: (why: string) => never): Question {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return bad(`it is not JSON (${(error as Error).message})`);
  }
  if (!isObject(value)) return bad('it is not an object');
  return value['arguments'] === undefined ? plain(value, bad) : logged(value, bad);
}

/** A logged sample: pairs of context and continuation, in a list or (newer) by name. */
function logged(value: Readonly<Record<string, unknown>>, bad: (why: string) => never): Question {
  const given = value['arguments'];
  const pairs = (Array.isArray(given) ? given : isObject(given) ? Object.values(given) : []).map(
    (pair: unknown) =>
      Array.isArray(pair) ? (pair as unknown[]) : isObject(pair) ? Object.values(pair) : [],
  );
  if (
    pairs.length < 2 ||
    !pairs.every(([context, choice]) => typeof context === 'string' && typeof choice === 'string')
  )
    return bad('its "arguments" are not two or more pairs of context and continuation');
  const texts = pairs as unknown as (readonly [string, string])[];
  const context = texts[0]![0];
  const choices = texts.map(([, choice]) => choice);
  if (texts.some(([other]) => other !== context)) return bad('its choices follow different contexts');
  return { context, choices, right: rightOf(value['target'], choices, bad) };
}

function plain(value: Readonly<Record<string, unknown>>, bad: (why: string) => never): Question {
  const context = value['question'] ?? value['context'] ?? value['query'];
  const choices = value['choices'];
  const right = value['answer'] ?? value['label'] ?? value['gold'];
  if (typeof context !== 'string') return bad('it has no "question", "context" or "query" that is text');
  if (!Array.isArray(choices) || choices.length < 2 || !choices.every((choice) => typeof choice === 'string'))
    return bad('its "choices" are not two or more texts');
  // A continuation follows its context after a space, unless it brings its own.
  const texts = choices as string[];
  const after = texts.map((choice) => (/^\s/.test(choice) || /\s$/.test(context) ? choice : ` ${choice}`));
  return { context, choices: after, right: rightOf(right, texts, bad) };
}

/** An index, a letter, or the right text itself. */
function rightOf(target: unknown, choices: readonly string[], bad: (why: string) => never): number {
  const text = String(target).trim();
  const byText = choices.findIndex((choice) => choice.trim() === text);
  const index = /^\d+$/.test(text)
    ? Number(text)
    : byText >= 0
      ? byText
      : /^[A-Za-z]$/.test(text)
        ? text.toUpperCase().charCodeAt(0) - 65
        : -1;
  return index >= 0 && index < choices.length
    ? index
    : bad(`its answer "${text}" is none of its ${choices.length} choices`);
}
