/**
 * @file A run on a full disk stops with an error, keeps its newest checkpoint and resumes when there is space.
 * Needs a separate file system, which only root can mount.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { newestStep, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  collect,
  digestFiles,
  createTestRun,
  eventsOfType,
  neverAborted,
  createTextFile,
} from '../workbench.ts';

const mounted: string[] = [];
/** Mounts a file system of `size` bytes in memory, or returns why that is not possible. */
function mountDisk(size: number): { readonly dir: string } | { readonly why: string } {
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

const probe = mountDisk(2 ** 20);
if ('why' in probe) console.log(`skipped: a full disk during a run (${probe.why})`);

const lossesIn = (events: readonly RunEvent[]): readonly (readonly [number, number])[] =>
  eventsOfType(events, 'step').map((e) => [e.step, e.loss] as const);

describe.skipIf('why' in probe)('a run on a full disk', () => {
  const settings = { saveEvery: 2, evaluateEvery: 0 };
  let source: string;
  let text: string;
  let expectedLosses: readonly (readonly [number, number])[];
  beforeAll(async () => {
    source = await makeTinyCheckpoint('gpt2', { tokenizer: true });
    text = createTextFile();
    const run = await createTestRun(source, text, settings);
    const events = await collect(train({ run }, neverAborted));
    expect(events.at(-1)).toMatchObject({ reason: 'finished' });
    expectedLosses = lossesIn(events);
  });

  it.each([
    ['the next checkpoint', 600_000],
    ['anything', 0],
  ])('stops without space for %s, and resumes when there is some', async (_, freeBytes) => {
    const { dir: root } = mountDisk(6 * 2 ** 20) as { dir: string };
    const run = await createTestRun(source, text, settings, join(root, 'run'));
    const events: RunEvent[] = [];
    const filler = join(root, 'filler');
    const fillDisk = (): void => {
      const { bavail, bsize } = statfsSync(root);
      try {
        writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - freeBytes)));
      } catch {
        /* the last block may not fit */
      }
    };
    for await (const event of train({ run }, neverAborted)) {
      events.push(event);
      if (event.type === 'saved' && event.step === 2) fillDisk();
    }
    expect(events.at(-1)).toMatchObject({
      type: 'stopped',
      reason: 'failed',
      error: { code: 'file/no-space' },
    });
    const newest = (await newestStep(run))!;
    expect(newest.step).toBe(2);
    await openCheckpoint(join(newest.dir, 'model'));
    expect(digestFiles(newest.dir)).not.toEqual({});
    expect(['failed', 'interrupted']).toContain((await summarizeRun(run)).state);
    rmSync(filler);
    const resumed = await collect(train({ run }, neverAborted));
    expect(resumed.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
    expect(lossesIn(await readEvents(run))).toEqual(expectedLosses);
  });
});
