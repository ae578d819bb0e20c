import { expect, it } from 'vitest';
import { createQueue } from '../../../src-main/base/queue.ts';
import type { RemoteEvent } from '../../../src-main/contract/remote-hosts.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { Connection } from '../../../src-renderer/state/connection.svelte.ts';
import { createRemoteTransport } from '../../../src-renderer/state/remote-host.ts';
import { connectTo } from '../connect.ts';

/** A local service whose remote host sends `value` for every request. */
function createLocalService(value: unknown): Service {
  const events = createQueue<RemoteEvent>();
  events.push({ type: 'open', session: 's', version: '1.2.3' });
  return {
    openRemote: () => events,
    sendToRemote({ message }: { message: { type: string; id: number } }) {
      const { type, id } = message;
      if (type === 'request') events.push({ type: 'message', message: { type: 'response', id, value } });
      return Promise.resolve({});
    },
  } as unknown as Service;
}

it('the page refuses what a remote host sends if it is no answer, with an error that names both', async () => {
  const device = { id: 'cpu', name: 'A processor', available: true, memory: null, free: null };
  const connect = async (value: unknown): Promise<Service> => {
    const remote = new Connection(createRemoteTransport(connectTo(createLocalService(value)), 'box'));
    await remote.whenOpen();
    return remote.service;
  };
  expect(await (await connect([device])).devices({})).toEqual([device]);
  await expect((await connect([{ ...device, name: { toString: 1 } }])).devices({})).rejects.toMatchObject({
    code: 'remote/bad-answer',
    detail: { host: 'box', call: 'devices', why: expect.stringContaining('0.name') as string },
  });
});
