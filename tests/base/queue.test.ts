import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createQueue } from '../../src-main/base/queue.ts';

describe('createQueue', () => {
  it('yields every item in order for any interleaving of pushes and reads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 60 }), async (moves) => {
        const q = createQueue<number>();
        const got: number[] = [];
        let pushed = 0;
        const reads: Promise<void>[] = [];
        for (const push of moves) {
          if (push) q.push(pushed++);
          else
            reads.push(
              q.next().then((r) => {
                if (!r.done) got.push(r.value);
              }),
            );
        }
        q.end();
        await Promise.all(reads);
        for await (const item of q) got.push(item);
        expect(got).toEqual(Array.from({ length: pushed }, (_, i) => i));
      }),
    );
  });

  it('keeps the order of many items', async () => {
    const q = createQueue<number>();
    for (let i = 0; i < 5000; i++) q.push(i);
    q.end();
    let next = 0;
    for await (const item of q) expect(item).toBe(next++);
    expect(next).toBe(5000);
  });

  it('throws once, after the items pushed before', async () => {
    const q = createQueue<number>();
    q.push(1);
    q.fail(new Error('over'));
    q.push(2);
    expect(await q.next()).toEqual({ value: 1, done: false });
    await expect(q.next()).rejects.toThrow('over');
    expect(await q.next()).toEqual({ value: undefined, done: true });
  });

  it('notifies the producer only if the consumer leaves before the end', async () => {
    let left = 0;
    const early = createQueue<number>(() => left++);
    early.push(1);
    early.push(2);
    for await (const item of early) {
      void item;
      break;
    }
    expect(left).toBe(1);
    const late = createQueue<number>(() => left++);
    late.end();
    for await (const item of late) void item;
    await late.return?.();
    expect(left).toBe(1);
  });

  it('resolves a pending read when the queue is returned', async () => {
    const q = createQueue<number>();
    const waiting = q.next();
    await q.return?.();
    expect(await waiting).toEqual({ value: undefined, done: true });
  });
});
