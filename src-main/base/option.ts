/**
 * @file One description of a setting: its form in the page, its flag on the command line and its check all
 * come from here.
 */
import { readCount } from './units.ts';

interface Described {
  readonly id: string;
  readonly label: string;
  /** One line of why. */
  readonly help: string;
  readonly unit?: string;
}
export interface NumberOption extends Described {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
  /** `null` stands for `off`, where `off` is a word for "none". */
  readonly otherwise: number | null;
  readonly off?: string;
}
export interface ChoiceOption extends Described {
  readonly kind: 'choice';
  readonly choices: readonly { readonly value: string; readonly label: string }[];
  readonly otherwise: string;
}
export type Option = NumberOption | ChoiceOption;
export type OptionValue = number | string | null;
export type OptionValues = Readonly<Record<string, OptionValue>>;

/** `text` (from a flag or a form) as a value of `option`, or why it cannot be one. */
export function readOption(
  option: Option,
  text: string | number | null | undefined,
): { readonly value: OptionValue } | { readonly why: string } {
  if (text === undefined) return { value: option.otherwise };
  if (option.kind === 'choice') {
    return option.choices.some((c) => c.value === text)
      ? { value: String(text) }
      : { why: `is "${String(text)}"; it can be ${option.choices.map((c) => c.value).join(', ')}` };
  }
  if (option.off !== undefined && (text === null || text === option.off)) return { value: null };
  const value = typeof text === 'string' && text.trim() !== '' ? (readCount(text) ?? Number(text)) : text;
  if (typeof value !== 'number' || !Number.isFinite(value))
    return { why: `is "${String(text)}", which is not a number${option.off ? ` or "${option.off}"` : ''}` };
  if (option.whole && !Number.isInteger(value)) return { why: `is ${value}, which is not a whole number` };
  if (value < option.min || value > option.max)
    return { why: `is ${value}; it can be ${option.min} to ${option.max}` };
  return { value };
}
