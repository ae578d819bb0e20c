import { describe, expect, it } from 'vitest';
import { channelPair, inbox } from '../../src-main/base/channel.ts';

const later = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 1);
  });

describe('channel', () => {
  it('keeps what comes before someone listens', async () => {
    const [a, b] = channelPair();
    a.send(1);
    a.send(2);
    await later();
    const got: unknown[] = [];
    b.onMessage((m) => got.push(m));
    a.send(3);
    await later();
    expect(got).toEqual([1, 2, 3]);
  });

  it('delivers later, never inside send', () => {
    const [a, b] = channelPair();
    let got = 0;
    b.onMessage(() => got++);
    a.send('x');
    expect(got).toBe(0);
  });

  it('closes both ends, after what was sent, once', async () => {
    const [a, b] = channelPair();
    const seen: string[] = [];
    b.onMessage((m) => seen.push(String(m)));
    b.onClose(() => seen.push('closed'));
    a.onClose(() => seen.push('own'));
    a.send('last');
    a.close();
    a.close();
    a.send('too late');
    await later();
    expect(seen).toEqual(['own', 'last', 'closed']);
    b.onClose(() => seen.push('late listener'));
    expect(seen.at(-1)).toBe('late listener');
  });

  it('tells every listener of an inbox', () => {
    const box = inbox();
    const seen: unknown[] = [];
    box.onMessage((m) => seen.push(['a', m]));
    box.onMessage((m) => seen.push(['b', m]));
    box.deliver(1);
    expect(seen).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });
});
