/**
 * @file A channel to a remote host through two procedures of the local service, so that the page, the desktop app
 * and the command line connect in the same way.
 */
import { createInbox, type Channel } from '../base/channel.ts';
import { refuse } from '../base/errors.ts';
import { createAborter, type AbortSignalLike } from '../base/signals.ts';
import type { Service } from './service.ts';

/**
 * Connects to the remote host `name` through `service` and returns the open channel. `connecting` aborts the
 * attempt; it has no effect afterwards. Throws what `openRemote` throws, or `cancelled`.
 */
export async function openRemoteChannel(
  service: Service,
  name: string,
  connecting?: AbortSignalLike,
): Promise<Channel> {
  const inbox = createInbox();
  const { signal, abort } = createAborter();
  if (connecting?.aborted) abort();
  connecting?.addEventListener('abort', abort, { once: true });
  const events = service.openRemote({ name }, signal)[Symbol.asyncIterator]();
  const first = await events
    .next()
    .catch((thrown: unknown) => {
      if (signal.aborted) refuse('cancelled', { what: `The connection to ${name}` });
      throw thrown;
    })
    .finally(() => {
      connecting?.removeEventListener('abort', abort);
    });
  const { onMessage, onClose } = inbox;
  if (first.done === true || first.value.type !== 'open') {
    inbox.markClosed();
    return { send: () => undefined, onMessage, onClose, close: () => undefined };
  }

  const { session } = first.value;
  const close = (): void => {
    abort();
    inbox.markClosed();
  };
  const deliverAll = async (): Promise<void> => {
    for (let next = await events.next(); next.done !== true; next = await events.next())
      if (next.value.type === 'message') inbox.deliver(next.value.message);
  };
  void deliverAll()
    .catch(() => undefined)
    .finally(inbox.markClosed);
  return {
    send(message) {
      if (!inbox.isClosed()) service.sendToRemote({ session, message }).catch(close);
    },
    onMessage,
    onClose,
    close,
  };
}
