/**
 * @file An engine that is given too little memory: the run ends with the reason and with settings that fit,
 * and goes on with them.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeError, type ErrorData } from '../../../src-main/base/errors.ts';
import type { Fitting } from '../../../src-main/cost/fit.ts';
import { changeSettings, readRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createTestRun, createTextFile } from '../workbench.ts';

/**
 * Trains in a process whose address space is bounded (in kB), which a JavaScript engine alone fills to some
 * two thirds.
 */
function trained(run: string, limit?: number): { readonly last: RunEvent; readonly peak: number } {
  const node = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(import.meta.dirname, 'memory-child.ts')}" "${run}"`;
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', limit === undefined ? node : `ulimit -v ${limit}; ${node}`],
    { encoding: 'utf8' },
  );
  const line = stdout.trim().split('\n').at(-1);
  if (!line) throw new Error(stderr);
  return JSON.parse(line) as { last: RunEvent; peak: number };
}

describe.skipIf(process.platform !== 'linux')('too little memory', () => {
  it('ends the run with three settings that would fit, and with the first it goes on', async () => {
    const checkpoint = await makeTinyCheckpoint('llama', {
      dims: { hidden: 256, heads: 4, kv_heads: 4, group: 2, head_dim: 32, ffn: 688, layers: 4 },
      tokenizer: true,
    });
    const run = await createTestRun(checkpoint, createTextFile(60_000), {
      microBatch: 64,
      contextLength: 256,
      tokens: 64 * 256,
      heldOut: 0,
      threads: 1,
      activationCheckpointing: 'off',
    });
    const failed = trained(run, 3_500_000).last as Extract<RunEvent, { type: 'stopped' }>;
    expect(failed).toMatchObject({
      type: 'stopped',
      reason: 'failed',
      error: { code: 'engine/out-of-memory', detail: { device: 'cpu' } },
    });
    const { fits } = (failed.error as ErrorData).detail as { fits: readonly Fitting[] };
    expect(fits).toHaveLength(3);
    expect(describeError(failed.error!)[1]).toContain('batch 32, accumulate 2');
    const settings = { ...(await readRun(run)).settings, ...fits[2]!.change };
    await changeSettings(run, settings);
    expect(trained(run).last).toMatchObject({ type: 'stopped', reason: 'finished' });
  });
});
