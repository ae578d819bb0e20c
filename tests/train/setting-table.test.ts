/** @file Every row of the settings table, and that everything derived from it agrees with it. */
import { describe, expect, it } from 'vitest';
import { readOption } from '../../src-main/base/option.ts';
import {
  optionsOf,
  schemasOf,
  settingGroups,
  type ChoiceSetting,
  type NumberSetting,
  type Setting,
  type TextSetting,
} from '../../src-main/train/setting.ts';
import {
  settingTable,
  storedSettingsSchema,
  trainingDefaults,
  trainingOptions,
  trainingSettingsSchema,
} from '../../src-main/train/settings.ts';

const rows = Object.entries(settingTable) as readonly (readonly [id: string, row: Setting])[];
const rowsOfKind = <S extends Setting>(kind: S['kind']): (readonly [string, S])[] =>
  rows.filter((entry): entry is readonly [string, S] => entry[1].kind === kind);
const numberRows = rowsOfKind<NumberSetting>('number');
const choiceRows = rowsOfKind<ChoiceSetting>('choice');
const textRows = rowsOfKind<TextSetting>('text');

const schemas = schemasOf(settingTable);
const isAllowed = (id: string, value: unknown): boolean =>
  schemas[id as keyof typeof schemas].safeParse(value).success;

/** Values within the range of a number, and values outside of it. */
function boundaryValues({ min, max, integer }: NumberSetting): {
  readonly inside: readonly number[];
  readonly outside: readonly number[];
} {
  const margin = (bound: number): number => (integer ? 1 : Math.max(1, Math.abs(bound)) * 1e-6);
  const fraction = integer ? [min + 0.5] : [];
  return {
    inside: [min, max],
    outside: [min - margin(min), max + margin(max), ...fraction, NaN, Infinity, -Infinity],
  };
}

describe.each(rows)('the setting %s', (id, row) => {
  it('has a default that its schema allows', () => {
    expect(isAllowed(id, row.default)).toBe(true);
    expect(trainingDefaults).toHaveProperty(id, row.default);
  });

  it('has a label without a full stop', () => {
    expect(row.label).toMatch(/^[A-Z]\S*( \S+)*$/);
    expect(row.label).not.toMatch(/[.,:;]$/);
  });

  it('has a help of complete sentences', () => {
    expect(row.help).toMatch(/^[A-Z].*[^\s.]\.$/s);
    expect(row.help).not.toMatch(/\s{2}|\n/);
  });

  it('belongs to a group', () => {
    expect(Object.keys(settingGroups)).toContain(row.group);
  });
});

describe('former names', () => {
  const formerIds = rows.flatMap(([, row]) => (row.former ? [row.former.id] : []));

  it('exist and are unique', () => {
    expect(formerIds.length).toBeGreaterThan(20);
    expect(new Set(formerIds).size).toBe(formerIds.length);
  });

  it('are not current names', () => {
    expect(formerIds.filter((former) => former in settingTable)).toEqual([]);
  });

  const withValues = choiceRows.flatMap(([id, row]) =>
    Object.entries(row.former?.values ?? {}).map(([former, current]) => [id, former, current] as const),
  );
  it.each(withValues)(
    'of a value of %s: %s is not a current value, but stands for one (%s)',
    (id, former, current) => {
      expect(isAllowed(id, former)).toBe(false);
      expect(isAllowed(id, current)).toBe(true);
    },
  );

  it('of values belong to choices only', () => {
    const others = rows.filter(([, row]) => row.kind !== 'choice' && row.former?.values !== undefined);
    expect(others).toEqual([]);
  });
});

describe('the schema', () => {
  it.each(numberRows)('of the number %s enforces its range', (id, row) => {
    const { inside, outside } = boundaryValues(row);
    for (const value of inside) expect(isAllowed(id, value), String(value)).toBe(true);
    for (const value of [...outside, String(row.default), null])
      expect(isAllowed(id, value), String(value)).toBe(false);
  });

  it.each(choiceRows)('of the choice %s allows its values only', (id, row) => {
    const values = Object.keys(row.labels);
    expect(values.length).toBeGreaterThan(1);
    for (const value of values) expect(isAllowed(id, value), value).toBe(true);
    for (const value of ['nonsense', '', null, 1]) expect(isAllowed(id, value), String(value)).toBe(false);
  });

  it.each(textRows)('of the text %s enforces its length', (id, row) => {
    expect(isAllowed(id, 'x'.repeat(row.maxLength))).toBe(true);
    expect(isAllowed(id, 'x'.repeat(row.maxLength + 1))).toBe(false);
    expect(isAllowed(id, 1)).toBe(false);
  });

  it('of a request allows the defaults', () => {
    expect(trainingSettingsSchema.parse(trainingDefaults)).toEqual(trainingDefaults);
  });

  it.each(rows)('of a request needs %s, and that of settings.json gives it its default', (id) => {
    const others = Object.entries(trainingDefaults).filter(([name]) => name !== id);
    const without = Object.fromEntries(others);
    expect(trainingSettingsSchema.safeParse(without).success).toBe(false);
    expect(storedSettingsSchema.parse(without)).toEqual(trainingDefaults);
  });
});

describe('the options of the form', () => {
  const inForm = rows.filter(([, row]) => row.isInForm !== false);

  it('are the rows of the form, in their order', () => {
    expect(trainingOptions.map((option) => option.id)).toEqual(inForm.map(([id]) => id));
    expect(optionsOf(settingTable)).toEqual(trainingOptions);
  });

  it.each(inForm)('agree with the row of %s', (id, row) => {
    const option = trainingOptions.find((each) => each.id === id)!;
    const { kind, label, help, default: value } = row;
    expect(option).toMatchObject({ kind, label, help, default: value });
    expect(readOption(option, undefined)).toEqual({ value });
    expect(readOption(option, String(value))).toEqual({ value });
  });

  it.each(choiceRows.filter(([, row]) => row.isInForm !== false))('list the values of %s', (id, row) => {
    const option = trainingOptions.find((each) => each.id === id)!;
    const choices = option.kind === 'choice' ? option.choices : [];
    expect(choices.map(({ value, label }) => [value, label])).toEqual(Object.entries(row.labels));
    for (const { label } of choices) expect(label).toMatch(/^\S(.*[^\s.])?$/);
  });

  it.each(numberRows)('accept the same numbers as the schema of %s', (id, row) => {
    const option = trainingOptions.find((each) => each.id === id)!;
    expect(option).toMatchObject({ min: row.min, max: row.max, integer: row.integer });
    expect('unit' in option ? option.unit : undefined).toBe(row.unit);
    const { inside, outside } = boundaryValues(row);
    for (const value of [...inside, ...outside])
      expect('value' in readOption(option, value), String(value)).toBe(isAllowed(id, value));
  });
});
