/** @file The search of the Hub: its form, as the address keeps it, and the results so far. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import type { HubHit, HubSearch } from '../../src-main/contract/hub.ts';
import type { Service } from '../../src-main/contract/service.ts';

interface SizeRange {
  readonly id: string;
  readonly label: string;
  /** Null is no limit. */
  readonly minParameters: number | null;
  readonly maxParameters: number | null;
}
export const sizeRanges: readonly SizeRange[] = [
  { id: '', label: 'Any size', minParameters: null, maxParameters: null },
  { id: '100M', label: 'Up to 100 M', minParameters: null, maxParameters: 100e6 },
  { id: '500M', label: '100 to 500 M', minParameters: 100e6, maxParameters: 500e6 },
  { id: '2B', label: '0.5 to 2 B', minParameters: 500e6, maxParameters: 2e9 },
  { id: '10B', label: '2 to 10 B', minParameters: 2e9, maxParameters: 10e9 },
  { id: 'more', label: 'Over 10 B', minParameters: 10e9, maxParameters: null },
];
export const licences = ['apache-2.0', 'mit', 'bsd-3-clause', 'cc-by-4.0', 'openrail', 'other'] as const;
export const sortOrders = [
  { id: 'downloads', label: 'Most downloads' },
  { id: 'likes', label: 'Most likes' },
  { id: 'updated', label: 'Recently updated' },
] as const;
export type SearchForm = {
  query: string;
  sort: HubSearch['sort'];
  family: string;
  size: string;
  licence: string;
  /** Lists models that cannot be grown too. */
  all: boolean;
};

/** Parses the parameters of an address. What is absent or invalid has its default. */
export const parseSearch = (params: Readonly<Record<string, string>>): SearchForm => ({
  query: params['q'] ?? '',
  sort: sortOrders.find((order) => order.id === params['sort'])?.id ?? 'downloads',
  family: params['family'] ?? '',
  size: sizeRanges.find((range) => range.id === params['size'])?.id ?? '',
  licence: params['licence'] ?? '',
  all: params['all'] === '1',
});

/** The parameters of an address, without those that have their default. */
export function formatSearch({
  query,
  sort,
  family,
  size,
  licence,
  all,
}: SearchForm): Record<string, string> {
  const params = {
    q: query,
    sort: sort === 'downloads' ? '' : sort,
    family,
    size,
    licence,
    all: all ? '1' : '',
  };
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ''));
}

export class HubSearchState {
  hits = $state.raw<readonly HubHit[]>([]);
  /** Cursor of the next page; null if there is none. */
  next = $state.raw<string | null>(null);
  error = $state.raw<ErrorData | undefined>(undefined);
  isSearching = $state(false);
  hasResults = $state(false);
  readonly #service: Service;
  #aborter = new AbortController();

  constructor(service: Service) {
    this.#service = service;
  }

  /** Starts a new search and cancels the one before. */
  search(form: SearchForm): Promise<void> {
    return this.#request(form, null);
  }
  loadMore(form: SearchForm): Promise<void> {
    return this.#request(form, this.next);
  }
  cancel(): void {
    this.#aborter.abort();
  }

  async #request(
    { query, sort, family, size, licence, all }: SearchForm,
    from: string | null,
  ): Promise<void> {
    this.#aborter.abort();
    const aborter = new AbortController();
    this.#aborter = aborter;
    const { minParameters, maxParameters } = sizeRanges.find((range) => range.id === size)!;
    this.isSearching = true;
    this.error = undefined;
    try {
      const page = await this.#service.hubSearch(
        { query: query.trim(), sort, family, minParameters, maxParameters, licence, all, from },
        aborter.signal,
      );
      if (aborter.signal.aborted) return;
      const before = from === null ? [] : this.hits;
      const isNew = (hit: HubHit): boolean => !before.some((known) => known.repo === hit.repo);
      this.hits = [...before, ...page.hits.filter(isNew)];
      this.next = page.next;
      this.hasResults = true;
    } catch (thrown) {
      if (!aborter.signal.aborted) this.error = toErrorData(thrown);
    } finally {
      if (!aborter.signal.aborted) this.isSearching = false;
    }
  }
}
