/** @file The description of a setting. The form field, the command-line flag and the check are derived from it. */
import { readCount } from './units.ts';

interface OptionBase {
  readonly id: string;
  readonly label: string;
  /** One sentence: what the setting does. */
  readonly help: string;
  readonly unit?: string;
}
export interface NumberOption extends OptionBase {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
  /** `null` means off; only for an option that has a word for `off`. */
  readonly default: number | null;
  /** The word that turns the option off, for example `none`. */
  readonly off?: string;
}
export interface ChoiceOption extends OptionBase {
  readonly kind: 'choice';
  readonly choices: readonly { readonly value: string; readonly label: string }[];
  readonly default: string;
}
export interface TextOption extends OptionBase {
  readonly kind: 'text';
  /** Characters. */
  readonly maxLength: number;
  readonly default: string;
}
export type Option = NumberOption | ChoiceOption | TextOption;
export type OptionValue = number | string | null;
export type OptionValues = Readonly<Record<string, OptionValue>>;

/**
 * Reads `text` (from a flag, a form or JSON) as a value of `option`; `undefined` gives the default. A problem is
 * a clause that tells what to enter, such as "enter a whole number".
 */
export function readOption(
  option: Option,
  text: string | number | null | undefined,
): { readonly value: OptionValue } | { readonly problem: string } {
  if (text === undefined) return { value: option.default };
  if (option.kind === 'text') return readText(option, text);
  return option.kind === 'choice' ? readChoice(option, text) : readNumber(option, text);
}

function readText({ maxLength }: TextOption, text: string | number | null): ReturnType<typeof readOption> {
  const isText = typeof text === 'string' && text.length <= maxLength;
  return isText ? { value: text } : { problem: `enter a text of at most ${maxLength} characters` };
}

function readChoice({ choices }: ChoiceOption, text: string | number | null): ReturnType<typeof readOption> {
  const values = choices.map((choice) => choice.value);
  if (typeof text === 'string' && values.includes(text)) return { value: text };
  return { problem: `enter ${values.join(' or ')}` };
}

function readNumber(option: NumberOption, text: string | number | null): ReturnType<typeof readOption> {
  if (option.off !== undefined && (text === null || text === option.off)) return { value: null };
  const what = option.integer ? 'a whole number' : 'a number';
  const isFilled = typeof text === 'string' && text.trim() !== '';
  const value = isFilled ? (readCount(text) ?? Number(text)) : text;
  if (typeof value !== 'number' || !Number.isFinite(value))
    return { problem: `enter ${what}${option.off ? ` or "${option.off}"` : ''}` };
  if (option.integer && !Number.isInteger(value)) return { problem: 'enter a whole number' };
  if (value < option.min || value > option.max)
    return { problem: `enter ${what} from ${option.min} to ${option.max}` };
  return { value };
}
