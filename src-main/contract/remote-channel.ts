/**
 * @file A channel to a GPU box is two procedures of the service at hand, so the page, the desktop and the
 * command line reach it alike.
 */
import { inbox, type Channel } from '../base/channel.ts';
import { refuse } from '../base/errors.ts';
import { aborter, type AbortSignalLike } from '../base/signals.ts';
import type { Service } from './service.ts';

/**
 * A channel to the place `name` through `service`, open when this resolves; `given` gives it up until then.
 * Refuses what `openPlace` does.
 */
export async function placeChannel(
  service: Service,
  name: string,
  given?: AbortSignalLike,
): Promise<Channel> {
  const box = inbox();
  const { signal, abort } = aborter();
  if (given?.aborted) abort();
  given?.addEventListener('abort', abort, { once: true });
  const events = service.openPlace({ name }, signal)[Symbol.asyncIterator]();
  const first = await events
    .next()
    .catch((thrown: unknown) => {
      if (signal.aborted) refuse('cancelled', { what: `The connection to ${name}` });
      throw thrown;
    })
    .finally(() => {
      given?.removeEventListener('abort', abort);
    });
  if (first.done === true || first.value.at !== 'open') {
    box.closed();
    return { send: () => undefined, onMessage: box.onMessage, onClose: box.onClose, close: () => undefined };
  }
  const { session } = first.value;
  const close = (): void => {
    abort();
    box.closed();
  };
  void (async () => {
    for (let next = await events.next(); next.done !== true; next = await events.next())
      if (next.value.at === 'message') box.deliver(next.value.message);
  })()
    .catch(() => undefined)
    .finally(box.closed);
  return {
    send(message) {
      if (!box.isClosed()) service.toPlace({ session, message }).catch(close);
    },
    onMessage: box.onMessage,
    onClose: box.onClose,
    close,
  };
}
