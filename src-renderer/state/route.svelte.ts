/** @file The current page and its parameters, kept in the hash of the address. */

export const pageNames = [
  'library',
  'checkpoint',
  'grow',
  'growing',
  'certificate',
  'train',
  'bakeoff',
  'bakeoff-report',
  'tune',
  'tuning',
  'run',
  'runs',
  'compare',
  'lineage',
  'devices',
  'hub',
  'model',
  'push',
  'settings',
  'help',
] as const;
export type PageName = (typeof pageNames)[number];
export type RouteParams = Readonly<Record<string, string>>;
export interface Route {
  readonly page: PageName;
  readonly params: RouteParams;
}

/** Parses `#/run?id=x`. An unknown page is the library. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const page = pageNames.find((name) => name === path.replace(/\/+$/, '')) ?? 'library';
  return { page, params: Object.fromEntries(new URLSearchParams(query)) };
}

/** The `href` of a page. */
export function linkTo(page: PageName, params: RouteParams = {}): string {
  const query = new URLSearchParams(params).toString();
  return `#/${page === 'library' ? '' : page}${query ? `?${query}` : ''}`;
}

/** The current route, updated when the address changes. */
export class Router {
  route = $state.raw<Route>(parseRoute(location.hash));
  constructor() {
    window.addEventListener('hashchange', () => {
      this.route = parseRoute(location.hash);
    });
  }
}

export const navigate = (page: PageName, params: RouteParams = {}): void => {
  location.hash = linkTo(page, params);
};

/** Changes the address to other parameters of the page that is shown, without loading the page again. */
export const replaceParams = (page: PageName, params: RouteParams): void => {
  history.replaceState(history.state, '', linkTo(page, params));
};
