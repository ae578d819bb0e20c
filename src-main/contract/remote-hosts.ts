/** @file Places: this computer, and GPU boxes reached through it by ssh. */
import { z } from 'zod';

/**
 * A target of ssh: `host`, `user@host`, or a name of ~/.ssh/config. It can't begin with a dash, which ssh
 * would read as a switch.
 */
const target = z
  .string()
  .regex(/^[A-Za-z0-9_][\w.@:[\]%-]*$/, 'must be a host, user@host, or a name of ~/.ssh/config')
  .max(255);
const name = z.string().trim().min(1).max(60);

export const placeName = z.object({ name });
/** `command`: how the box starts Cambium's command line. */
export const placeRequest = z.object({
  name,
  target,
  command: z.string().min(1).max(1000).default('cambium'),
});
export const placeSession = z.object({ session: z.string().min(1).max(60), message: z.unknown() });

export interface PlaceCard {
  readonly name: string;
  readonly target: string;
  readonly command: string;
}

/**
 * What comes back from a place: first `open`, then its messages. The stream ends when the connection does.
 */
export type PlaceEvent =
  | { readonly at: 'open'; readonly session: string; readonly version: string }
  | { readonly at: 'message'; readonly message: unknown };
