import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Channel } from '../../src-main/base/channel.ts';
import { connection, type Connection } from '../../src-main/contract/connect.ts';
import { exercise } from '../support/exercise.ts';
import { hosts } from '../support/hosts.ts';

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (e: unknown) => (e instanceof AppError ? e.code : `not an AppError: ${String(e)}`),
  );
const until = async (what: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    if (await what()) return;
    await new Promise((r) => {
      setTimeout(r, 4);
    });
  }
  throw new Error('did not come true in 2 s');
};

describe.each(hosts)('over $name', (host) => {
  let near: Channel;
  let far: Connection<typeof exercise>;
  let stop: () => Promise<void>;
  beforeEach(async () => {
    ({ near, stop } = await host.open());
    far = connection(exercise, near);
  });
  afterEach(async () => {
    near.close();
    await stop();
  });

  it('answers a call', async () => {
    expect(await far.api.double({ value: 21 })).toEqual({ value: 42, data: 'a field called data' });
    expect(far.pending()).toBe(0);
  });

  it('answers many calls at once, each its own', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => far.api.double({ value })));
    expect(answers.map((a) => a.value)).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
  });

  it('rebuilds an error with its code, detail and words', async () => {
    const error = await far.api.refuse({ path: '/nowhere' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'file/not-found', detail: { path: '/nowhere' } });
    expect((error as Error).message).toContain('/nowhere does not exist');
  });

  it('turns any other error into internal', async () => {
    await expect(far.api.throws({})).rejects.toMatchObject({
      code: 'internal',
      detail: { message: 'no such luck' },
    });
  });

  it('refuses a wrong input and names the field', async () => {
    const error = await far.api.double({ value: 1, inner: { name: '' } }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'rpc/bad-input', detail: { call: 'double' } });
    expect((error as AppError).message).toContain('inner.name');
  });

  it('refuses an unknown procedure, and one that only objects have', async () => {
    for (const name of ['nonsense', 'toString', '__proto__', 'constructor']) {
      const both = connection({ [name]: exercise.double }, near).api as Record<
        string,
        (input: unknown) => Promise<unknown>
      >;
      if (Object.hasOwn(both, name)) expect(await codeOf(both[name]!({ value: 1 }))).toBe('rpc/unknown');
    }
  });

  it('streams in order, to the end', async () => {
    const got: number[] = [];
    for await (const i of far.api.count({ to: 300 })) got.push(i);
    expect(got).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(far.pending()).toBe(0);
  });

  it('loses nothing to a slow loop', async () => {
    const got: number[] = [];
    for await (const i of far.api.count({ to: 100 })) {
      if (i % 25 === 0)
        await new Promise((r) => {
          setTimeout(r, 10);
        });
      got.push(i);
    }
    expect(got).toHaveLength(100);
  });

  it('gives the items before an error, and then the error', async () => {
    const got: number[] = [];
    const loop = (async () => {
      for await (const i of far.api.count({ to: 10, failAt: 4 })) got.push(i);
    })();
    expect(await codeOf(loop)).toBe('run/not-finite');
    expect(got).toEqual([0, 1, 2, 3]);
  });

  it('cancels at the far end when a loop is left', async () => {
    for await (const item of far.api.forever({})) if (item.data >= 3) break;
    expect(far.pending()).toBe(0);
    await until(async () => (await far.api.pending({})) === 0);
  });

  it('cancels a stream that never says anything', async () => {
    const stream = far.api.silent({})[Symbol.asyncIterator]();
    const next = stream.next();
    await until(async () => (await far.api.pending({})) === 1);
    await stream.return?.();
    expect(await next).toMatchObject({ done: true });
    await until(async () => (await far.api.pending({})) === 0);
  });

  it('cancels a call and a stream by signal, at both ends', async () => {
    const one = new AbortController();
    const two = new AbortController();
    const call = codeOf(far.api.wait({}, one.signal));
    const loop = codeOf(
      (async () => {
        for await (const item of far.api.forever({}, two.signal)) if (item.data === 2) two.abort();
      })(),
    );
    await until(async () => (await far.api.pending({})) >= 1);
    one.abort();
    expect(await call).toBe('cancelled');
    expect(await loop).toBe('cancelled');
    expect(far.pending()).toBe(0);
    await until(async () => (await far.api.pending({})) === 0);
    expect(await codeOf(far.api.wait({}, one.signal))).toBe('cancelled');
  });

  it('refuses everything pending when it is closed here, and everything after', async () => {
    const call = codeOf(far.api.wait({}));
    const loop = codeOf(
      (async () => {
        for await (const item of far.api.forever({})) void item;
      })(),
    );
    await far.api.double({ value: 1 });
    near.close();
    expect([await call, await loop]).toEqual(['rpc/closed', 'rpc/closed']);
    expect(await codeOf(far.api.double({ value: 1 }))).toBe('rpc/closed');
    expect(far.pending()).toBe(0);
  });

  it.each(['exit', 'kill'] as const)('refuses everything pending when the far end dies (%s)', async (how) => {
    const call = codeOf(far.api.wait({}));
    const loop = codeOf(
      (async () => {
        for await (const item of far.api.forever({})) void item;
      })(),
    );
    expect(await codeOf(far.api.die({ how }))).toBe('rpc/closed');
    expect([await call, await loop]).toEqual(['rpc/closed', 'rpc/closed']);
    expect(far.pending()).toBe(0);
  });

  it('keeps this side alive while the far end blocks', async () => {
    if (host.name !== 'child process') return;
    await far.api.double({ value: 0 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    await far.api.block({ ms: 300 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2); // held up it would have none
  });

  it('leaves nothing pending, whatever is called and cancelled in whatever order', async () => {
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
              if (what === 'double') await far.api.double({ value: 1 }, switchOff.signal);
              else if (what === 'refuse') await far.api.refuse({ path: 'x' }, switchOff.signal);
              else if (what === 'wait') await far.api.wait({}, switchOff.signal);
              else
                for await (const item of what === 'count'
                  ? far.api.count({ to: 20 }, switchOff.signal)
                  : far.api[what as 'forever' | 'silent']({}, switchOff.signal))
                  if (leave && item) break;
            } catch (error) {
              expect(['cancelled', 'file/not-found']).toContain((error as AppError).code);
            }
          }),
        );
        expect(far.pending()).toBe(0);
        await until(async () => (await far.api.pending({})) === 0);
      }),
      { numRuns: host.name === 'child process' ? 10 : 25 },
    );
  });
});
