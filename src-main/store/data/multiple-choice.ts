/**
 * @file Reads multiple-choice questions, one JSON object per line. Two formats: samples that
 * lm-evaluation-harness logs with --log_samples, whose `arguments` are the texts as the model saw them, and
 * `{"question": …, "choices": […], "answer": index}`.
 */
import { refuse } from '../../base/errors.ts';
import { anyJson, isObject, parseJson, toText, type Json } from '../../base/json.ts';
import { openRegularFile } from '../fs/files.ts';

export interface MultipleChoiceQuestion {
  /** The text before the choices. */
  readonly context: string;
  /** Each choice as it continues the context. */
  readonly choices: readonly string[];
  /** Index of the correct choice. */
  readonly answer: number;
}

type RefuseLine = (why: string) => never;

/** Reads a file of questions, at most `limit` of them. Refuses `data/bad-line`, `data/empty`. */
export async function readMultipleChoiceQuestions(
  path: string,
  limit = Infinity,
): Promise<readonly MultipleChoiceQuestion[]> {
  const { file } = await openRegularFile(path);
  const questions: MultipleChoiceQuestion[] = [];
  let line = 0;
  try {
    for await (const text of file.readLines({ encoding: 'utf8' })) {
      line++;
      if (text.trim() === '') continue;
      questions.push(parseQuestion(text, (why) => refuse('data/bad-line', { path, line, why })));
      if (questions.length >= limit) break;
    }
  } finally {
    await file.close();
  }
  return questions.length > 0 ? questions : refuse('data/empty', { path, tokens: 0, needed: 1 });
}

function parseQuestion(line: string, refuseLine: RefuseLine): MultipleChoiceQuestion {
  let value: Json;
  try {
    value = parseJson(line, anyJson);
  } catch (error) {
    return refuseLine(`it is not JSON (${(error as Error).message})`);
  }
  if (!isObject(value)) return refuseLine('it is not an object');
  return value['arguments'] === undefined
    ? parsePlainQuestion(value, refuseLine)
    : parseHarnessSample(value, refuseLine);
}

/** A logged sample of lm-evaluation-harness: pairs of context and continuation, in a list or (newer) by name. */
function parseHarnessSample(
  value: Readonly<Record<string, unknown>>,
  refuseLine: RefuseLine,
): MultipleChoiceQuestion {
  const pairs = listValues(value['arguments']).map(listValues);
  const isPair = ([context, choice]: readonly unknown[]): boolean =>
    typeof context === 'string' && typeof choice === 'string';
  if (pairs.length < 2 || !pairs.every(isPair))
    return refuseLine('its "arguments" are not two or more pairs of context and continuation');
  const texts = pairs as unknown as (readonly [string, string])[];
  const context = texts[0]![0];
  const choices = texts.map(([, choice]) => choice);
  if (texts.some(([other]) => other !== context)) return refuseLine('its choices follow different contexts');
  return { context, choices, answer: findAnswer(value['target'], choices, refuseLine) };
}

/** The items of an array, or the values of an object. */
function listValues(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return isObject(value) ? Object.values(value) : [];
}

function parsePlainQuestion(
  value: Readonly<Record<string, unknown>>,
  refuseLine: RefuseLine,
): MultipleChoiceQuestion {
  const context = value['question'] ?? value['context'] ?? value['query'];
  const choices = value['choices'];
  const answer = value['answer'] ?? value['label'] ?? value['gold'];
  if (typeof context !== 'string')
    return refuseLine('it has no "question", "context" or "query" that is text');
  if (!Array.isArray(choices) || choices.length < 2 || !choices.every((choice) => typeof choice === 'string'))
    return refuseLine('its "choices" are not two or more texts');
  // A space separates a choice from its context, unless one of them brings white space.
  const endsWithSpace = /\s$/.test(context);
  const continuations = choices.map((choice) =>
    endsWithSpace || /^\s/.test(choice) ? choice : ` ${choice}`,
  );
  return { context, choices: continuations, answer: findAnswer(answer, choices, refuseLine) };
}

/** The index of the correct choice, given as an index, a letter, or the text of the choice. */
function findAnswer(target: unknown, choices: readonly string[], refuseLine: RefuseLine): number {
  const text = toText(target).trim();
  const index = parseAnswer(text, choices);
  return index >= 0 && index < choices.length
    ? index
    : refuseLine(`its answer "${text}" is none of its ${choices.length} choices`);
}

function parseAnswer(text: string, choices: readonly string[]): number {
  if (/^\d+$/.test(text)) return Number(text);
  const byText = choices.findIndex((choice) => choice.trim() === text);
  if (byText >= 0) return byText;
  return /^[A-Za-z]$/.test(text) ? text.toUpperCase().charCodeAt(0) - 'A'.charCodeAt(0) : -1;
}
