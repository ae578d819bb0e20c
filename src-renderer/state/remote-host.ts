/**
 * @file Going from this computer to a GPU box and back: a window is in one place at a time, and changing it
 * starts the page anew.
 */
import { dataOf } from '../../src-main/base/errors.ts';
import { placeChannel } from '../../src-main/contract/remote-channel.ts';
import type { Dial } from '../service.ts';
import { placeKey } from './current-host.ts';
import type { Link } from './link.svelte.ts';

/** Goes to a box, or home with null. */
export function goToPlace(name: string | null): void {
  if (name === null) sessionStorage.removeItem(placeKey);
  else sessionStorage.setItem(placeKey, name);
  location.hash = '#/';
  location.reload();
}

/** The way to a box through the service at home. */
export function dialPlace(home: Link, name: string): Dial {
  let open = (): void => {
    /* nothing to open before the start */
  };
  return {
    start(opened, failed) {
      open = () => {
        void home
          .opened()
          .then(() => placeChannel(home.service, name))
          .then(opened, (thrown: unknown) => {
            failed(dataOf(thrown));
          });
      };
      open();
    },
    again() {
      open();
    },
  };
}
