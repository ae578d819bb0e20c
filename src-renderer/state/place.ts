/** @file Which place this window shows: this computer, or a GPU box reached through it. A window is in one place at a time; changing it starts the page anew. */
import { dataOf } from '../../src-main/base/errors.ts';
import { placeChannel } from '../../src-main/contract/places.ts';
import type { Dial } from '../service.ts';
import type { Link } from './link.svelte.ts';

const key = 'cambium.place';

/** The box this tab is in, or null at home. */
export const currentPlace = (): string | null => sessionStorage.getItem(key);

/** Goes to a box, or home with null. */
export function goToPlace(name: string | null): void {
  if (name === null) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, name);
  location.hash = '#/';
  location.reload();
}

/** The way to a box through the service at home. */
export function dialPlace(home: Link, name: string): Dial {
  let open = (): void => { /* nothing to open before the start */ };
  return {
    start(opened, failed) {
      open = () => { void home.opened().then(() => placeChannel(home.service, name)).then(opened, (thrown: unknown) => { failed(dataOf(thrown)); }); };
      open();
    },
    again() { open(); },
  };
}
