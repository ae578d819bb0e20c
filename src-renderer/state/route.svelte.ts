/** @file Where the person is, as the hash of the address: a page and its parameters. */

export const pageNames = [
  'library',
  'checkpoint',
  'grow',
  'growing',
  'train',
  'run',
  'runs',
  'compare',
  'tree',
  'devices',
  'hub',
  'model',
  'push',
] as const;
export type PageName = (typeof pageNames)[number];
export interface Route {
  readonly page: PageName;
  readonly at: Readonly<Record<string, string>>;
}

/** `#/run?id=x` as a route; anything else is the library. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const page = pageNames.find((name) => name === path.replace(/\/+$/, '')) ?? 'library';
  return { page, at: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a page, for `href`. */
export function routeTo(page: PageName, at: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(at).toString();
  return `#/${page === 'library' ? '' : page}${query ? `?${query}` : ''}`;
}

/** The current route; follows the address bar. */
export class Router {
  route = $state.raw<Route>(parseRoute(location.hash));
  constructor() {
    window.addEventListener('hashchange', () => {
      this.route = parseRoute(location.hash);
    });
  }
}

export const go = (page: PageName, at: Readonly<Record<string, string>> = {}): void => {
  location.hash = routeTo(page, at);
};
