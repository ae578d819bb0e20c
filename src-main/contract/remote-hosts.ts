/** @file Requests and events of remote hosts, which Cambium reaches through ssh. */
import { z } from 'zod';
import { sshTarget } from '../base/ssh-target.ts';

const target = z.string().regex(sshTarget, 'must be a host, user@host, or a name of ~/.ssh/config');
const name = z.string().trim().min(1).max(60);

export const remoteHostName = z.object({ name });
/** `command` starts Cambium's command line on the host. */
export const remoteHostRequest = z.object({
  name,
  target,
  command: z.string().min(1).max(1000).default('cambium'),
});
/** A message to the host of an open session. */
export const remoteMessage = z.object({ session: z.string().min(1).max(60), message: z.unknown() });

export interface RemoteHost {
  readonly name: string;
  readonly target: string;
  readonly command: string;
}

/** `open` comes first, then the messages of the host. The stream ends when the connection does. */
export type RemoteEvent =
  | { readonly type: 'open'; readonly session: string; readonly version: string }
  | { readonly type: 'message'; readonly message: unknown };
