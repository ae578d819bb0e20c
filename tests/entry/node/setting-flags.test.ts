import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addSettingFlags, readSettings, settingIds } from '../../../src-main/entry/node/setting-flags.ts';
import { settingGroups, type Setting } from '../../../src-main/train/setting.ts';
import { settingTable, trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';

const rows = Object.entries(settingTable) as [keyof TrainingSettings & string, Setting][];
const formerRows = rows.flatMap(([id, row]) => (row.former ? [{ id, row, former: row.former }] : []));
const toKebabCase = (id: string): string => id.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** Parses a command line with the flags of all settings. */
function parse(...argv: string[]): Partial<TrainingSettings> {
  const command = addSettingFlags(new Command('train')).exitOverride();
  command.parse(argv, { from: 'user' });
  return readSettings(command.opts());
}

/** A value of a setting that differs from its default, and its text. */
function otherValue(row: Setting): { readonly value: number | string; readonly text: string } {
  if (row.kind === 'text') return { value: 'hello', text: 'hello' };
  if (row.kind === 'choice') {
    const value = Object.keys(row.labels).find((choice) => choice !== row.default)!;
    return { value, text: value };
  }
  const value = row.default === row.min ? Math.min(row.min + 1, row.max) : row.min;
  return { value, text: String(value) };
}

describe('the help of the flags', () => {
  const help = addSettingFlags(new Command('train')).helpInformation();

  it.each(rows)('lists %s by the kebab-case of its id', (id) => {
    expect(help).toContain(`--${toKebabCase(id)} <`);
  });

  it('groups the flags', () => {
    for (const title of Object.values(settingGroups)) expect(help).toContain(`${title}:`);
  });

  it.each(formerRows)('does not list --$former.id, the former name of $id', ({ former }) => {
    expect(help).not.toContain(`--${toKebabCase(former.id)} <`);
  });
});

describe('a flag', () => {
  it.each(rows)('sets %s', (id, row) => {
    const { value, text } = otherValue(row);
    expect(value).not.toBe(trainingDefaults[id]);
    expect(parse(`--${toKebabCase(id)}`, text)).toEqual({ [id]: value });
  });

  it('reads counts with a suffix', () => {
    expect(parse('--tokens', '1.5M')).toEqual({ tokens: 1_500_000 });
  });

  it('names itself if its value is invalid', () => {
    expect(() => parse('--micro-batch', 'many')).toThrow(/--micro-batch: enter a whole number, not "many"/);
    expect(() => parse('--batch', '0')).toThrow(/--batch: enter/);
  });
});

describe('a flag of the last release', () => {
  it.each(formerRows)('--$former.id sets $id', ({ id, row, former }) => {
    const { value, text } = otherValue(row);
    const entries = Object.entries(former.values ?? {});
    const formerText = entries.find(([, current]) => current === text)?.[0] ?? text;
    expect(parse(`--${toKebabCase(former.id)}`, formerText)).toEqual({ [id]: value });
  });

  it.each(
    formerRows.flatMap(({ id, former }) =>
      Object.entries(former.values ?? {}).map(([text, value]) => ({ id, flag: former.id, text, value })),
    ),
  )('--$flag $text sets $id to $value', ({ id, flag, text, value }) => {
    expect(parse(`--${toKebabCase(flag)}`, text)).toEqual({ [id]: value });
  });

  it.each(formerRows)(
    '--$former.id is refused together with the current flag of $id',
    ({ id, row, former }) => {
      const { text } = otherValue(row);
      const current = `--${toKebabCase(id)}`;
      const previous = `--${toKebabCase(former.id)}`;
      expect(() => parse(current, text, previous, text)).toThrow(
        `${previous} is the former name of ${current}`,
      );
    },
  );
});

it('covers every setting of the table', () => {
  expect(settingIds).toEqual(rows.map(([id]) => id));
  expect(formerRows.length).toBeGreaterThan(20);
});
