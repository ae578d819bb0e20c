/** @file Which documents of a text are left out before it is tokenized. */

export interface TextFilter {
  /** Shorter documents are left out; 0: none. */
  readonly minCharacters: number;
  /** Longer documents are left out; 0: none. */
  readonly maxCharacters: number;
  /** Leaves out documents that are equal to an earlier one. */
  readonly dedupe: boolean;
  /** ISO 639 codes of the languages that are kept; empty: all. */
  readonly languages: readonly string[];
}

/** Why a filter leaves a document out. */
export type FilterReason = 'short' | 'long' | 'duplicate' | 'language';

export const noFilter: TextFilter = { minCharacters: 0, maxCharacters: 0, dedupe: false, languages: [] };

export const isFiltering = (filter: TextFilter): boolean =>
  filter.minCharacters > 0 || filter.maxCharacters > 0 || filter.dedupe || filter.languages.length > 0;
