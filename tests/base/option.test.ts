import { describe, expect, it } from 'vitest';
import {
  readOption,
  type ChoiceOption,
  type NumberOption,
  type TextOption,
} from '../../src-main/base/option.ts';

const steps: NumberOption = {
  kind: 'number',
  id: 'steps',
  label: 'Steps',
  help: '',
  min: 1,
  max: 1e6,
  integer: true,
  default: 20,
};
const noise: NumberOption = { ...steps, id: 'noise', min: 0, integer: false, default: null, off: 'none' };
const schedule: ChoiceOption = {
  kind: 'choice',
  id: 'schedule',
  label: 'Schedule',
  help: '',
  choices: [
    { value: 'linear', label: 'Linear' },
    { value: 'cosine', label: 'Cosine' },
  ],
  default: 'cosine',
};

const languages: TextOption = {
  kind: 'text',
  id: 'languages',
  label: 'Languages',
  help: '',
  maxLength: 5,
  default: '',
};

describe('readOption', () => {
  it.each([
    [steps, undefined, 20],
    [steps, '300k', 300_000],
    [steps, 7, 7],
    [noise, '0.5', 0.5],
    [noise, 'none', null],
    [noise, null, null],
    [schedule, 'linear', 'linear'],
    [languages, 'en,de', 'en,de'],
    [languages, undefined, ''],
  ])('reads %# as a value', (option, text, value) => {
    expect(readOption(option, text)).toEqual({ value });
  });

  it.each([
    [steps, 'abc', 'enter a whole number'],
    [steps, '', 'enter a whole number'],
    [steps, null, 'enter a whole number'],
    [steps, '1.5', 'enter a whole number'],
    [steps, 0, 'enter a whole number from 1 to 1000000'],
    [noise, 'abc', 'enter a number or "none"'],
    [noise, '-1', 'enter a number from 0 to 1000000'],
    [schedule, 'wsd', 'enter linear or cosine'],
    [languages, 'en,deu', 'enter a text of at most 5 characters'],
    [languages, null, 'enter a text of at most 5 characters'],
  ])('says what to enter, %#', (option, text, problem) => {
    expect(readOption(option, text)).toEqual({ problem });
  });
});
