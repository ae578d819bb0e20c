/** @file The remote hosts that the user has saved, in places.json of Cambium's own folder. */
import { join } from 'node:path';
import { z } from 'zod';
import { sshTarget } from '../../base/ssh-target.ts';
import { readStored, updateStored } from './stored-list.ts';

/**
 * A saved host. What ssh gets passes the pattern that a new host passes: a file that somebody changed must not turn
 * the target into an option of ssh.
 */
const savedRemoteHost = z.object({
  name: z.string().trim().min(1).max(60),
  /** What ssh connects to: a host, `user@host`, or a name in ~/.ssh/config. */
  target: z.string().regex(sshTarget),
  /** The command that runs Cambium there. */
  command: z.string().min(1).max(1000),
});
export type SavedRemoteHost = Readonly<z.infer<typeof savedRemoteHost>>;

const hostList = z
  .array(z.unknown())
  .transform((items) => items.flatMap((item) => savedRemoteHost.safeParse(item).data ?? []));

const getFile = (home: string): string => join(home, 'places.json');
const sortByName = (hosts: readonly SavedRemoteHost[]): readonly SavedRemoteHost[] =>
  [...hosts].sort((a, b) => a.name.localeCompare(b.name));

/** The saved remote hosts, sorted by name. Refuses `file/unreadable`. */
export const readRemoteHosts = async (home: string): Promise<readonly SavedRemoteHost[]> =>
  sortByName((await readStored(getFile(home), hostList)) ?? []);

/** Changes the list; changes of several processes come one after the other. What `change` throws changes nothing. */
export const updateRemoteHosts = (
  home: string,
  change: (hosts: readonly SavedRemoteHost[]) => readonly SavedRemoteHost[],
): Promise<void> => updateStored(getFile(home), hostList, (hosts = []) => sortByName(change(hosts)));
