/** @file A remote host that answers every request as it likes, behind the local service that reaches it. */
import { createChannelPair, type Channel } from '../../src-main/base/channel.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { service, type Service } from '../../src-main/contract/service.ts';
import { createRemoteHosts, type OpenTunnel } from '../../src-main/service/remote-hosts.ts';

/** The messages that a hostile host sends for a request. */
export type Reply = (request: { readonly id: number; readonly name: string }) => readonly unknown[];

/** A tunnel to a host that sends the messages of `reply`. */
export const openHostileTunnel =
  (reply: Reply): OpenTunnel =>
  () => {
    const [near, far] = createChannelPair();
    far.onMessage((message) => {
      const request = message as { readonly type: string; readonly id: number; readonly name: string };
      if (request.type === 'request') for (const answer of reply(request)) far.send(answer);
    });
    return Promise.resolve({ channel: near, version: '1.2.3', close: near.close });
  };

/** A local service, as far as remote hosts need it, that knows the hostile host `box` in `home`. */
export async function createHostileService(home: string, reply: Reply): Promise<Service> {
  const hosts = createRemoteHosts(home, openHostileTunnel(reply));
  if ((await hosts.list()).length === 0)
    await hosts.add({ name: 'box', target: 'me@box', command: 'cambium' });
  return {
    openRemote: ({ name }: { name: string }, signal: AbortSignal) => hosts.open(name, signal),
    sendToRemote({ session, message }: { session: string; message: unknown }) {
      hosts.send(session, message);
      return Promise.resolve({});
    },
  } as unknown as Service;
}

/** Serves such a service on `far`. */
export async function serveHostileHost(home: string, reply: Reply, far: Channel): Promise<void> {
  serve(service, await createHostileService(home, reply), far);
}
