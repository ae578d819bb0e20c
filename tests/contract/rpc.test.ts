import { describe, expect, it } from 'vitest';
import { createChannelPair } from '../../src-main/base/channel.ts';
import { parseMessage } from '../../src-main/contract/rpc.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { service, type Service } from '../../src-main/contract/service.ts';

describe('parseMessage', () => {
  it.each([
    { type: 'request', id: 1, name: 'about', input: {} },
    { type: 'cancel', id: 1 },
    { type: 'response', id: 1, value: null },
    { type: 'item', id: 1, value: [1] },
    { type: 'end', id: 1 },
    { type: 'error', id: 1, error: { code: 'internal', detail: {} } },
  ])('takes %j', (message) => {
    expect(parseMessage(message)).toEqual(message);
  });

  it.each([
    [null],
    [[]],
    ['request'],
    [{ type: 'request', id: 1, name: { toString: 1 }, input: {} }],
    [{ type: 'request', id: '1', name: 'about', input: {} }],
    [{ type: { toString: null }, id: 1 }],
    [{ type: 'unheard-of', id: 1 }],
  ])('refuses %j', (message) => {
    expect(parseMessage(message)).toBeUndefined();
  });
});

it('answers a request whose name is no text with nothing, and the next one as ever', async () => {
  const [near, far] = createChannelPair();
  const answers: unknown[] = [];
  serve(service, { about: () => Promise.resolve({ version: '1' }) } as unknown as Service, far);
  near.onMessage((message) => {
    answers.push(message);
  });
  near.send({ type: 'request', id: 1, name: { toString: 1 }, input: {} });
  near.send({ type: 'request', id: 2, name: 'about', input: {} });
  await new Promise(setImmediate);
  expect(answers).toEqual([{ type: 'response', id: 2, value: { version: '1' } }]);
});
