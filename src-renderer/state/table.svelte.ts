/** @file The state of a table: sort order, shown columns, and the selected rows. */
import { SvelteSet } from 'svelte/reactivity';

export interface TableColumn<Row> {
  readonly id: string;
  readonly label: string;
  /** What the column is sorted by; rows without a value come last. */
  readonly sortBy: (row: Row) => string | number | null;
  /** True for numbers: they are aligned at their end, and sorted from the largest at first. */
  readonly isNumber?: boolean;
  /** The window widths that show the column: all, from a tablet or a laptop on, or only wide ones. */
  readonly from?: 'phone' | 'tablet' | 'desktop' | 'wide';
  /** True if the column is hidden until it is chosen. */
  readonly isOptional?: boolean;
  /** True if the column cannot be hidden. */
  readonly isFixed?: boolean;
}

export interface Sort {
  readonly column: string;
  readonly isDescending: boolean;
}

export class TableState<Row extends object> {
  readonly columns: readonly TableColumn<Row>[];
  sort = $state.raw<Sort>({ column: '', isDescending: false });
  readonly hidden: SvelteSet<string>;
  readonly selected = new SvelteSet<string>();
  /** The row that was selected last, from which a range is selected. */
  #anchor: string | undefined;
  readonly #idOf: (row: Row) => string;
  shownColumns = $derived.by(() => this.columns.filter(({ id }) => !this.hidden.has(id)));

  constructor(columns: readonly TableColumn<Row>[], idOf: (row: Row) => string, sort: Sort) {
    this.columns = columns;
    this.#idOf = idOf;
    this.sort = sort;
    this.hidden = new SvelteSet(columns.filter(({ isOptional }) => isOptional).map(({ id }) => id));
  }

  /** Sorts by a column; a second time in the other direction. */
  sortBy(id: string): void {
    const column = this.columns.find((one) => one.id === id);
    const isSame = this.sort.column === id;
    this.sort = { column: id, isDescending: isSame ? !this.sort.isDescending : column?.isNumber === true };
  }

  sorted(rows: readonly Row[]): readonly Row[] {
    const column = this.columns.find(({ id }) => id === this.sort.column);
    if (!column) return rows;
    const direction = this.sort.isDescending ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [x, y] = [column.sortBy(a), column.sortBy(b)];
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      const order =
        typeof x === 'number' && typeof y === 'number' ? x - y : compareTexts(String(x), String(y));
      return direction * order;
    });
  }

  toggleColumn(id: string): void {
    if (!this.hidden.delete(id)) this.hidden.add(id);
  }

  /** Selects a row, or with `isRange` all `rows` from the one selected last. */
  select(rows: readonly Row[], row: Row, isSelected: boolean, isRange = false): void {
    const ids = rows.map(this.#idOf);
    const id = this.#idOf(row);
    const from = isRange && this.#anchor !== undefined ? ids.indexOf(this.#anchor) : -1;
    const to = ids.indexOf(id);
    const range = from < 0 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const one of range)
      if (isSelected) this.selected.add(one);
      else this.selected.delete(one);
    this.#anchor = id;
  }

  selectAll(rows: readonly Row[], isSelected: boolean): void {
    this.selected.clear();
    if (isSelected) for (const row of rows) this.selected.add(this.#idOf(row));
  }

  /** The selected rows that still exist. */
  selectedOf(rows: readonly Row[]): readonly Row[] {
    return rows.filter((row) => this.selected.has(this.#idOf(row)));
  }
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const compareTexts = (a: string, b: string): number => collator.compare(a, b);
