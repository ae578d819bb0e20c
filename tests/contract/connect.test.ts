import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Channel } from '../../src-main/base/channel.ts';
import { openConnection, type Connection } from '../../src-main/contract/connect.ts';
import { sampleContract } from '../support/sample-contract.ts';
import { transports } from '../support/transports.ts';

const errorCodeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (e: unknown) => (e instanceof AppError ? e.code : `not an AppError: ${String(e)}`),
  );
const until = async (condition: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    if (await condition()) return;
    await new Promise((r) => {
      setTimeout(r, 4);
    });
  }
  throw new Error('the condition was not met within 2 s');
};

describe.each(transports)('over $name', (transport) => {
  let channel: Channel;
  let remote: Connection<typeof sampleContract>;
  let stop: () => Promise<void>;
  beforeEach(async () => {
    ({ near: channel, stop } = await transport.open());
    remote = openConnection(sampleContract, channel);
  });
  afterEach(async () => {
    channel.close();
    await stop();
  });

  it('answers a call', async () => {
    expect(await remote.api.double({ value: 21 })).toEqual({ value: 42, data: 'a field called data' });
    expect(remote.pending()).toBe(0);
  });

  it('answers many concurrent calls', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => remote.api.double({ value })));
    expect(answers.map((a) => a.value)).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
  });

  it('rebuilds an error with its code, detail and message', async () => {
    const error = await remote.api.refuse({ path: '/nowhere' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'file/not-found', detail: { path: '/nowhere' } });
    expect((error as Error).message).toContain('/nowhere does not exist');
  });

  it('turns any other error into `internal`', async () => {
    await expect(remote.api.throws({})).rejects.toMatchObject({
      code: 'internal',
      detail: { message: 'no such luck' },
    });
  });

  it('rejects invalid input and names the field', async () => {
    const error = await remote.api.double({ value: 1, inner: { name: '' } }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'rpc/bad-input', detail: { call: 'double' } });
    expect((error as AppError).message).toContain('inner.name');
  });

  it('rejects unknown procedures and names inherited by objects', async () => {
    for (const name of ['nonsense', 'toString', '__proto__', 'constructor']) {
      const both = openConnection({ [name]: sampleContract.double }, channel).api as Record<
        string,
        (input: unknown) => Promise<unknown>
      >;
      if (Object.hasOwn(both, name)) expect(await errorCodeOf(both[name]!({ value: 1 }))).toBe('rpc/unknown');
    }
  });

  it('streams all items in order', async () => {
    const got: number[] = [];
    for await (const i of remote.api.count({ to: 300 })) got.push(i);
    expect(got).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(remote.pending()).toBe(0);
  });

  it('loses no items when the consumer is slow', async () => {
    const got: number[] = [];
    for await (const i of remote.api.count({ to: 100 })) {
      if (i % 25 === 0)
        await new Promise((r) => {
          setTimeout(r, 10);
        });
      got.push(i);
    }
    expect(got).toHaveLength(100);
  });

  it('yields the items before an error, then throws it', async () => {
    const got: number[] = [];
    const loop = (async () => {
      for await (const i of remote.api.count({ to: 10, failAt: 4 })) got.push(i);
    })();
    expect(await errorCodeOf(loop)).toBe('run/not-finite');
    expect(got).toEqual([0, 1, 2, 3]);
  });

  it('cancels at the other end when the consumer leaves its loop', async () => {
    for await (const item of remote.api.forever({})) if (item.data >= 3) break;
    expect(remote.pending()).toBe(0);
    await until(async () => (await remote.api.pending({})) === 0);
  });

  it('cancels a stream that yields nothing', async () => {
    const stream = remote.api.silent({})[Symbol.asyncIterator]();
    const next = stream.next();
    await until(async () => (await remote.api.pending({})) === 1);
    await stream.return?.();
    expect(await next).toMatchObject({ done: true });
    await until(async () => (await remote.api.pending({})) === 0);
  });

  it('cancels a call and a stream at both ends when a signal aborts', async () => {
    const one = new AbortController();
    const two = new AbortController();
    const call = errorCodeOf(remote.api.wait({}, one.signal));
    const loop = errorCodeOf(
      (async () => {
        for await (const item of remote.api.forever({}, two.signal)) if (item.data === 2) two.abort();
      })(),
    );
    await until(async () => (await remote.api.pending({})) >= 1);
    one.abort();
    expect(await call).toBe('cancelled');
    expect(await loop).toBe('cancelled');
    expect(remote.pending()).toBe(0);
    await until(async () => (await remote.api.pending({})) === 0);
    expect(await errorCodeOf(remote.api.wait({}, one.signal))).toBe('cancelled');
  });

  it('rejects pending and later calls after the channel is closed here', async () => {
    const call = errorCodeOf(remote.api.wait({}));
    const loop = errorCodeOf(
      (async () => {
        for await (const item of remote.api.forever({})) void item;
      })(),
    );
    await remote.api.double({ value: 1 });
    channel.close();
    expect([await call, await loop]).toEqual(['rpc/closed', 'rpc/closed']);
    expect(await errorCodeOf(remote.api.double({ value: 1 }))).toBe('rpc/closed');
    expect(remote.pending()).toBe(0);
  });

  it.each(['exit', 'kill'] as const)('rejects pending calls when the other end dies (%s)', async (how) => {
    const call = errorCodeOf(remote.api.wait({}));
    const loop = errorCodeOf(
      (async () => {
        for await (const item of remote.api.forever({})) void item;
      })(),
    );
    expect(await errorCodeOf(remote.api.die({ how }))).toBe('rpc/closed');
    expect([await call, await loop]).toEqual(['rpc/closed', 'rpc/closed']);
    expect(remote.pending()).toBe(0);
  });

  it('stays responsive while the other end blocks', async () => {
    if (transport.name !== 'child process') return;
    await remote.api.double({ value: 0 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    await remote.api.block({ ms: 300 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2); // a blocked event loop would have none
  });

  it('leaves nothing pending after any sequence of calls and cancellations', async () => {
    const step = fc.record({
      what: fc.constantFrom('double', 'refuse', 'wait', 'count', 'forever', 'silent'),
      cancelAfter: fc.integer({ min: 0, max: 5 }),
      leave: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await Promise.all(
          steps.map(async ({ what, cancelAfter, leave }) => {
            const switchOff = new AbortController();
            const endless = what === 'wait' || what === 'forever' || what === 'silent';
            if (endless || cancelAfter > 2)
              setTimeout(() => {
                switchOff.abort();
              }, cancelAfter);
            try {
              if (what === 'double') await remote.api.double({ value: 1 }, switchOff.signal);
              else if (what === 'refuse') await remote.api.refuse({ path: 'x' }, switchOff.signal);
              else if (what === 'wait') await remote.api.wait({}, switchOff.signal);
              else
                for await (const item of what === 'count'
                  ? remote.api.count({ to: 20 }, switchOff.signal)
                  : remote.api[what as 'forever' | 'silent']({}, switchOff.signal))
                  if (leave && item) break;
            } catch (error) {
              expect(['cancelled', 'file/not-found']).toContain((error as AppError).code);
            }
          }),
        );
        expect(remote.pending()).toBe(0);
        await until(async () => (await remote.api.pending({})) === 0);
      }),
      { numRuns: transport.name === 'child process' ? 10 : 25 },
    );
  });
});
