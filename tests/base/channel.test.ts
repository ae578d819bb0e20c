import { describe, expect, it } from 'vitest';
import { createChannelPair, createInbox } from '../../src-main/base/channel.ts';

const nextTick = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 1);
  });

describe('createChannelPair', () => {
  it('keeps messages until there is a listener', async () => {
    const [a, b] = createChannelPair();
    a.send(1);
    a.send(2);
    await nextTick();
    const received: unknown[] = [];
    b.onMessage((message) => received.push(message));
    a.send(3);
    await nextTick();
    expect(received).toEqual([1, 2, 3]);
  });

  it('delivers after send has returned', () => {
    const [a, b] = createChannelPair();
    let received = 0;
    b.onMessage(() => received++);
    a.send('x');
    expect(received).toBe(0);
  });

  it('closes both ends once, after the messages sent before', async () => {
    const [a, b] = createChannelPair();
    const seen: string[] = [];
    b.onMessage((message) => seen.push(String(message)));
    b.onClose(() => seen.push('closed'));
    a.onClose(() => seen.push('own'));
    a.send('last');
    a.close();
    a.close();
    a.send('too late');
    await nextTick();
    expect(seen).toEqual(['own', 'last', 'closed']);
    b.onClose(() => seen.push('late listener'));
    expect(seen.at(-1)).toBe('late listener');
  });
});

describe('createInbox', () => {
  it('calls every listener', () => {
    const inbox = createInbox();
    const seen: unknown[] = [];
    inbox.onMessage((message) => seen.push(['a', message]));
    inbox.onMessage((message) => seen.push(['b', message]));
    inbox.deliver(1);
    expect(seen).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });
});
