/** @file A search of the Hub: what is asked, as the address has it, and the pages found so far. */
import { dataOf, type ErrorData } from '../../src-main/base/errors.ts';
import type { HubHit, HubSearch } from '../../src-main/contract/hub.ts';
import type { Service } from '../../src-main/contract/service.ts';

/** Ranges of parameters to choose from. */
export const sizes: readonly {
  readonly id: string;
  readonly label: string;
  readonly least: number | null;
  readonly most: number | null;
}[] = [
  { id: '', label: 'Any size', least: null, most: null },
  { id: '100M', label: 'Up to 100 million', least: null, most: 100e6 },
  { id: '500M', label: '100 to 500 million', least: 100e6, most: 500e6 },
  { id: '2B', label: '0.5 to 2 billion', least: 500e6, most: 2e9 },
  { id: '10B', label: '2 to 10 billion', least: 2e9, most: 10e9 },
  { id: 'more', label: 'Over 10 billion', least: 10e9, most: null },
];
export const licences = ['apache-2.0', 'mit', 'bsd-3-clause', 'cc-by-4.0', 'openrail', 'other'] as const;
export const orders = [
  { id: 'downloads', label: 'Most downloads' },
  { id: 'likes', label: 'Most likes' },
  { id: 'updated', label: 'Newest' },
] as const;
export type Wish = {
  query: string;
  sort: HubSearch['sort'];
  family: string;
  size: string;
  licence: string;
  all: boolean;
};

/** The search that an address asks for. */
export const wishOf = (at: Readonly<Record<string, string>>): Wish => ({
  query: at['q'] ?? '',
  sort: orders.find((order) => order.id === at['sort'])?.id ?? 'downloads',
  family: at['family'] ?? '',
  size: sizes.find((size) => size.id === at['size'])?.id ?? '',
  licence: at['licence'] ?? '',
  all: at['all'] === '1',
});
/** The parts of an address that differ from the usual. */
export const addressOf = ({ query, sort, family, size, licence, all }: Wish): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      q: query,
      sort: sort === 'downloads' ? '' : sort,
      family,
      size,
      licence,
      all: all ? '1' : '',
    }).filter(([, value]) => value !== ''),
  );

export class HubSearching {
  hits = $state.raw<readonly HubHit[]>([]);
  next = $state.raw<string | null>(null);
  error = $state.raw<ErrorData | undefined>(undefined);
  busy = $state(false);
  /** Whether a search has been answered. */
  answered = $state(false);
  readonly #service: Service;
  #aborter = new AbortController();

  constructor(service: Service) {
    this.#service = service;
  }

  /** A new search; one under way is left. */
  search(wish: Wish): Promise<void> {
    return this.#ask(wish, null);
  }
  /** The following page. */
  more(wish: Wish): Promise<void> {
    return this.#ask(wish, this.next);
  }
  leave(): void {
    this.#aborter.abort();
  }

  async #ask({ query, sort, family, size, licence, all }: Wish, from: string | null): Promise<void> {
    this.#aborter.abort();
    const aborter = (this.#aborter = new AbortController());
    const { least, most } = sizes.find((one) => one.id === size)!;
    this.busy = true;
    this.error = undefined;
    try {
      const page = await this.#service.hubSearch(
        { query: query.trim(), sort, family, least, most, licence, all, from },
        aborter.signal,
      );
      if (aborter.signal.aborted) return;
      const before = from === null ? [] : this.hits;
      this.hits = [...before, ...page.hits.filter((hit) => !before.some((one) => one.repo === hit.repo))];
      this.next = page.next;
      this.answered = true;
    } catch (thrown) {
      if (!aborter.signal.aborted) this.error = dataOf(thrown);
    } finally {
      if (!aborter.signal.aborted) this.busy = false;
    }
  }
}
