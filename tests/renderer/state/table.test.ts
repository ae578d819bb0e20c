import { expect, it } from 'vitest';
import { TableState } from '../../../src-renderer/state/table.svelte.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly loss: number | null;
}
const rows: readonly Row[] = [
  { id: 'a', name: 'run 10', loss: 2 },
  { id: 'b', name: 'run 9', loss: null },
  { id: 'c', name: 'Run 1', loss: 3 },
];
const createTable = () =>
  new TableState<Row>(
    [
      { id: 'name', label: 'Name', sortBy: ({ name }) => name, isFixed: true },
      { id: 'loss', label: 'Loss', sortBy: ({ loss }) => loss, isNumber: true },
      { id: 'extra', label: 'Extra', sortBy: () => 0, isOptional: true },
    ],
    ({ id }) => id,
    { column: 'name', isDescending: false },
  );
const idsOf = (list: readonly Row[]): readonly string[] => list.map(({ id }) => id);

it('sorts texts with their numbers, and rows without a value last in both directions', () => {
  const table = createTable();
  expect(idsOf(table.sorted(rows))).toEqual(['c', 'b', 'a']);
  table.sortBy('loss');
  expect(idsOf(table.sorted(rows))).toEqual(['c', 'a', 'b']);
  table.sortBy('loss');
  expect(idsOf(table.sorted(rows))).toEqual(['a', 'c', 'b']);
});

it('selects one row, a range, and all rows; rows that are gone are not selected', () => {
  const table = createTable();
  table.select(rows, rows[0]!, true);
  table.select(rows, rows[2]!, true, true);
  expect(idsOf(table.selectedOf(rows))).toEqual(['a', 'b', 'c']);
  table.select(rows, rows[1]!, false);
  expect(idsOf(table.selectedOf(rows))).toEqual(['a', 'c']);
  expect(idsOf(table.selectedOf(rows.slice(1)))).toEqual(['c']);
  table.selectAll(rows, true);
  expect(table.selected.size).toBe(3);
});

it('hides optional columns until they are chosen', () => {
  const table = createTable();
  expect(table.shownColumns.map(({ id }) => id)).toEqual(['name', 'loss']);
  table.toggleColumn('extra');
  table.toggleColumn('loss');
  expect(table.shownColumns.map(({ id }) => id)).toEqual(['name', 'extra']);
});
