/**
 * @file A disk that fills up under a run: one sentence, the last checkpoint whole, and on when there is room.
 * Needs a file system of its own, which only root can mount.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { train } from '../../src-main/engine/train/train-job.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { newestStep, runCard } from '../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../src-main/train/run.ts';
import { freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collected, digests, newRun, only, quiet, textFile } from './workbench.ts';

const mounted: string[] = [];
/** A file system of `size` bytes in memory, or why there is none. */
function disk(size: number): { readonly dir: string } | { readonly why: string } {
  if (process.platform !== 'linux') return { why: `no tmpfs on ${process.platform}` };
  const dir = freshFolder('disk');
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], {
    encoding: 'utf8',
  });
  if (status !== 0) return { why: stderr?.trim() || 'mount cannot be run' };
  mounted.push(dir);
  return { dir };
}
afterAll(() => {
  for (const dir of mounted) spawnSync('umount', [dir]);
});

const probe = disk(2 ** 20);
if ('why' in probe) console.log(`skipped: a full disk under a run (${probe.why})`);

describe.skipIf('why' in probe)('a full disk', () => {
  const source = makeTinyCheckpoint('gpt2', { tokenizer: true });
  const text = textFile();
  const settings = { saveEvery: 2, evaluateEvery: 0 };
  const whole = (async () => {
    const events = await collected(train({ run: await newRun(await source, text, settings) }, quiet));
    expect(events.at(-1)).toMatchObject({ reason: 'finished' });
    return events;
  })();

  it.each([
    ['no room for the next checkpoint', 600_000],
    ['no room at all', 0],
  ])('%s', async (_, left) => {
    const { dir: root } = disk(6 * 2 ** 20) as { dir: string };
    const dir = await newRun(await source, text, settings, join(root, 'run'));
    const events: RunEvent[] = [];
    const filler = join(root, 'filler');
    const fill = (): void => {
      const { bavail, bsize } = statfsSync(root);
      try {
        writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - left)));
      } catch {
        /* the last block may not fit */
      }
    };
    for await (const event of train({ run: dir }, quiet)) {
      events.push(event);
      if (event.at === 'saved' && event.step === 2) fill();
    }
    const last = events.at(-1) as Extract<RunEvent, { at: 'stopped' }>;
    expect(last).toMatchObject({ at: 'stopped', reason: 'failed', error: { code: 'file/no-space' } });
    expect((await newestStep(dir))!.step).toBe(2);
    await openCheckpoint(join((await newestStep(dir))!.dir, 'model'));
    const kept = digests((await newestStep(dir))!.dir);
    expect(['failed', 'interrupted']).toContain((await runCard(dir)).state);
    rmSync(filler);
    expect((await collected(train({ run: dir }, quiet))).at(-1)).toMatchObject({
      reason: 'finished',
      step: 6,
    });
    expect(kept).not.toEqual({});
    expect(only(await readEvents(dir), 'step').map((e) => [e.step, e.loss])).toEqual(
      only(await whole, 'step').map((e) => [e.step, e.loss]),
    );
  });
});
