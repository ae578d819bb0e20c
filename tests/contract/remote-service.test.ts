/** @file What a hostile host can send, over every channel between it and the page or the command line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, describeError, errors, type ErrorCode } from '../../src-main/base/errors.ts';
import { connect } from '../../src-main/contract/connect.ts';
import { openRemoteChannel } from '../../src-main/contract/remote-channel.ts';
import { connectRemote } from '../../src-main/contract/remote-service.ts';
import { service, type Service } from '../../src-main/contract/service.ts';
import { serveHostileHost, type Reply } from '../support/hostile-host.ts';
import { pairs, type PairTransport } from '../support/transports.ts';

const home = mkdtempSync(join(tmpdir(), 'cambium-hostile-'));
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

type Procedure = (input: unknown) => Promise<unknown> | AsyncIterable<unknown>;
const names = Object.keys(service) as (keyof Service)[];

/** Calls a procedure, or reads its stream to the end. */
async function use(api: Service, name: keyof Service): Promise<unknown> {
  const result = (api[name] as Procedure)({});
  if (service[name].kind === 'call') return result as Promise<unknown>;
  const items: unknown[] = [];
  for await (const item of result as AsyncIterable<unknown>) items.push(item);
  return items;
}

/** Runs `work` with the service of a hostile host that is reached over `transport`. */
async function withHost(
  transport: PairTransport,
  reply: Reply,
  work: (api: Service) => Promise<void>,
): Promise<void> {
  const { near, far, stop } = await transport.open();
  await serveHostileHost(home, reply, far);
  const channel = await openRemoteChannel(connect(service, near), 'box');
  try {
    await work(connectRemote(channel, 'box'));
  } finally {
    channel.close();
    near.close();
    await stop();
  }
}

/** No procedure returns one of these, and no stream has such an item. */
const garbage: readonly unknown[] = [
  null,
  7,
  'text',
  [7],
  [[]],
  JSON.parse('{"__proto__":{"jobs":7},"jobs":{},"text":7,"path":null,"removed":"yes","type":"__proto__"}'),
];
const answer =
  (value: unknown): Reply =>
  ({ id, name }) => {
    const { kind } = service[name as keyof Service];
    return [{ type: kind === 'call' ? 'response' : 'item', id, value }];
  };

describe.each(pairs)('a hostile host over $name', (transport) => {
  it('cannot give a procedure another kind of answer: the error names the host and the procedure', async () => {
    for (const value of garbage)
      await withHost(transport, answer(value), async (api) => {
        for (const name of names) {
          // A run may have no record of its costs.
          if (name === 'runCost' && value === null) continue;
          const error = await use(api, name).catch((thrown: unknown) => thrown);
          expect(error, `${name}: ${JSON.stringify(value)}`).toBeInstanceOf(AppError);
          expect(error).toMatchObject({ code: 'remote/bad-answer', detail: { host: 'box', call: name } });
          expect((error as Error).message).toContain(`box sent an answer to ${name} that is not valid`);
        }
      });
  });

  it('cannot send an error that has no words', async () => {
    let error: unknown;
    const reply: Reply = ({ id }) => [{ type: 'error', id, error }];
    await withHost(transport, reply, async (api) => {
      const ownCodes = Object.keys(errors).filter((code) => code !== 'remote/bad-answer');
      const details = [null, 7, [], {}, { fits: 7 }, { nearest: {} }, { path: { toString: 1 }, why: [] }];
      const codes = [...ownCodes, '__proto__', 'constructor', 'toString', '', 7, null];
      for (error of [
        null,
        7,
        [],
        {},
        ...details.flatMap((detail) => codes.map((code) => ({ code, detail }))),
      ]) {
        const thrown = await use(api, 'about').catch((caught: unknown) => caught);
        expect(thrown, JSON.stringify(error)).toBeInstanceOf(AppError);
        const { code, detail, message } = thrown as AppError;
        expect(message.length, JSON.stringify(error)).toBeGreaterThan(5);
        expect(typeof detail, JSON.stringify(error)).toBe('object');
        if (code === 'remote/bad-answer') expect(message).toContain('box sent an answer to about');
      }
    });
  });

  it('cannot answer a call with items or an end, and nothing stays pending', async () => {
    for (const message of [{ type: 'end' }, { type: 'item', value: {} }, { type: 'item' }, { type: 'error' }])
      await withHost(
        transport,
        ({ id }) => [
          { ...message, id },
          { ...message, id },
          { ...message, id: -1 },
        ],
        async (api) => {
          const thrown = await use(api, 'about').catch((caught: unknown) => caught);
          expect(thrown).toMatchObject({ code: 'remote/bad-answer', detail: { host: 'box', call: 'about' } });
        },
      );
  });

  it('ends only the stream whose item is not valid', async () => {
    const job = { id: 'a', kind: 'grow', title: 'Grow', state: 'running', started: '2026' };
    const reply: Reply = ({ id, name }) =>
      name === 'activity'
        ? [
            { type: 'item', id, value: { jobs: [job] } },
            { type: 'item', id, value: { jobs: [{ ...job, state: 'stolen' }] } },
            { type: 'item', id, value: { jobs: [] } },
          ]
        : [{ type: 'response', id, value: [job] }];
    await withHost(transport, reply, async (api) => {
      const activity = api.activity({})[Symbol.asyncIterator]();
      expect(await activity.next()).toEqual({ done: false, value: { jobs: [job] } });
      await expect(activity.next()).rejects.toMatchObject({
        code: 'remote/bad-answer',
        detail: { call: 'activity', why: expect.stringContaining('jobs.0.state') as string },
      });
      expect(await api.jobs({})).toEqual([job]);
    });
  });
});

it('an error of another version, or one from a damaged file, has words', () => {
  for (const code of ['later/code', '__proto__', 'constructor'])
    expect(describeError({ code: code as ErrorCode, detail: {} })).toEqual([code, 'Please report this.']);
  expect(describeError({ code: 'usage', detail: { why: 7 } })).toEqual(['usage', 'Please report this.']);
});
