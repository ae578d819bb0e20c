/** @file Places: this computer, and GPU boxes reached through it. A channel to a box is two procedures of the service at hand, so the page, the desktop and the command line reach it alike. */
import { z } from 'zod';
import { inbox, type Channel } from '../base/channel.ts';
import { aborter } from './rpc.ts';
import type { Service } from './service.ts';

/** A target of ssh: `host`, `user@host`, or a name of ~/.ssh/config. It can't begin with a dash, which ssh would read as a switch. */
const target = z.string().regex(/^[A-Za-z0-9_][\w.@:[\]%-]*$/, 'must be a host, user@host, or a name of ~/.ssh/config').max(255);
const name = z.string().trim().min(1).max(60);

export const placeName = z.object({ name });
/** `command`: how the box starts Cambium's command line. */
export const placeRequest = z.object({ name, target, command: z.string().min(1).max(1000).default('cambium') });
export const placeSession = z.object({ session: z.string().min(1).max(60), message: z.unknown() });

export interface PlaceCard { readonly name: string; readonly target: string; readonly command: string }

/** What comes back from a place: first `open`, then its messages. The stream ends when the connection does. */
export type PlaceEvent = { readonly at: 'open'; readonly session: string; readonly version: string } | { readonly at: 'message'; readonly message: unknown };

/** A channel to the place `name` through `service`, open when this resolves. Refuses what `openPlace` does. */
export async function placeChannel(service: Service, name: string): Promise<Channel> {
  const box = inbox(), { signal, abort } = aborter();
  const events = service.openPlace({ name }, signal)[Symbol.asyncIterator](), first = await events.next();
  if (first.done === true || first.value.at !== 'open') { box.closed(); return { send: () => undefined, onMessage: box.onMessage, onClose: box.onClose, close: () => undefined }; }
  const { session } = first.value, close = (): void => { abort(); box.closed(); };
  void (async () => {
    for (let next = await events.next(); next.done !== true; next = await events.next()) if (next.value.at === 'message') box.deliver(next.value.message);
  })().catch(() => undefined).finally(box.closed);
  return {
    send(message) { if (!box.isClosed()) service.toPlace({ session, message }).catch(close); },
    onMessage: box.onMessage, onClose: box.onClose, close,
  };
}
