/**
 * @file GPU boxes: which there are, and the sessions that are open to them. How a box is reached is the
 * process entry's.
 */
import { randomUUID } from 'node:crypto';
import type { Channel } from '../base/channel.ts';
import { refuse } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { PlaceCard, PlaceEvent } from '../contract/remote-hosts.ts';
import { savedPlaces, savePlaces } from '../store/home/remote-hosts.ts';

/** A way to a box: a channel to its service, open. */
export interface Tunnel {
  readonly channel: Channel;
  readonly version: string;
  close(): void;
}
/** Opens one. Refuses `place/…`: no ssh here, no answer there, no Cambium there, another version. */
export type OpenTunnel = (place: PlaceCard, signal?: AbortSignalLike) => Promise<Tunnel>;

export interface Places {
  list(): Promise<readonly PlaceCard[]>;
  add(place: PlaceCard): Promise<readonly PlaceCard[]>;
  remove(name: string): Promise<readonly PlaceCard[]>;
  /** A session: its messages until either side ends it. */
  open(name: string, signal?: AbortSignalLike): AsyncIterable<PlaceEvent>;
  send(session: string, message: unknown): void;
}

export function createPlaces(home: string, openTunnel: OpenTunnel): Places {
  const sessions = new Map<string, Channel>();
  const find = async (name: string): Promise<PlaceCard> =>
    (await savedPlaces(home)).find((place) => place.name === name) ??
    refuse('place/not-found', { place: name });
  const saved = async (places: readonly PlaceCard[]): Promise<readonly PlaceCard[]> => {
    await savePlaces(home, places);
    return savedPlaces(home);
  };
  return {
    list: () => savedPlaces(home),
    async add(place) {
      const all = await savedPlaces(home);
      return all.some((p) => p.name === place.name)
        ? refuse('place/exists', { place: place.name })
        : saved([...all, place]);
    },
    async remove(name) {
      const { name: known } = await find(name);
      return saved((await savedPlaces(home)).filter((p) => p.name !== known));
    },
    async *open(name, signal) {
      const tunnel = await openTunnel(await find(name), signal);
      const session = randomUUID();
      const events = queue<PlaceEvent>();
      const end = (): void => {
        events.end();
      };
      sessions.set(session, tunnel.channel);
      signal?.addEventListener('abort', end, { once: true });
      if (signal?.aborted) end();
      events.push({ at: 'open', session, version: tunnel.version });
      tunnel.channel.onMessage((message) => {
        events.push({ at: 'message', message });
      });
      tunnel.channel.onClose(end);
      try {
        yield* events;
      } finally {
        signal?.removeEventListener('abort', end);
        sessions.delete(session);
        tunnel.close();
      }
    },
    send(session, message) {
      (sessions.get(session) ?? refuse('rpc/closed', {})).send(message);
    },
  };
}
