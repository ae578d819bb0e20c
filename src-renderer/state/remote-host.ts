/** @file Switches the page between this computer and a remote host. The page reloads with every switch. */
import { toErrorData } from '../../src-main/base/errors.ts';
import { openRemoteChannel } from '../../src-main/contract/remote-channel.ts';
import { connectRemote } from '../../src-main/contract/remote-service.ts';
import type { Transport } from '../transport.ts';
import type { Connection } from './connection.svelte.ts';
import { hostKey } from './current-host.ts';

/** Switches to a remote host, or to this computer with null. */
export function switchHost(name: string | null): void {
  if (name === null) sessionStorage.removeItem(hostKey);
  else sessionStorage.setItem(hostKey, name);
  location.hash = '#/';
  location.reload();
}

/** A transport to a remote host through the local service. */
export function createRemoteTransport(local: Connection, name: string): Transport {
  let open = (): void => {
    /* set by start */
  };
  return {
    connect: (channel) => connectRemote(channel, name),
    start(onOpen, onFail) {
      open = () => {
        void local
          .whenOpen()
          .then(() => openRemoteChannel(local.service, name))
          .then(onOpen, (thrown: unknown) => {
            onFail(toErrorData(thrown));
          });
      };
      open();
    },
    reconnect() {
      open();
    },
  };
}
