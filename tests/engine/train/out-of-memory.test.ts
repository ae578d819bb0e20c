/** @file A run that runs out of memory stops with an error that suggests settings that fit. */
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
 * Trains a run in a process and returns its last event. `limit` bounds the address space of the process in kB;
 * Node.js alone reserves about two thirds of the limit below.
 */
function trainInProcess(run: string, limit?: number): RunEvent {
  const child = join(import.meta.dirname, 'memory-child.ts');
  const command = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${child}" "${run}"`;
  const limited = limit === undefined ? command : `ulimit -v ${limit}; ${command}`;
  const { stdout, stderr } = spawnSync('bash', ['-c', limited], { encoding: 'utf8' });
  const line = stdout.trim().split('\n').at(-1);
  if (!line) throw new Error(stderr);
  return (JSON.parse(line) as { last: RunEvent }).last;
}

describe.skipIf(process.platform !== 'linux')('a run without enough memory', () => {
  it('stops with three suggestions that fit, and resumes with one of them', async () => {
    const checkpoint = await makeTinyCheckpoint('llama', {
      dims: { hidden: 256, heads: 4, kv_heads: 4, group: 2, head_dim: 32, ffn: 688, layers: 4 },
      tokenizer: true,
    });
    const text = createTextFile(60_000);
    // Tokens are cached first: the tokenizer's library ends the process when an allocation fails.
    const small = { microBatch: 1, contextLength: 16, tokens: 16, heldOut: 0, threads: 1 };
    expect(trainInProcess(await createTestRun(checkpoint, text, small))).toMatchObject({
      reason: 'finished',
    });
    const run = await createTestRun(checkpoint, text, {
      microBatch: 64,
      contextLength: 256,
      tokens: 64 * 256,
      heldOut: 0,
      threads: 1,
      activationCheckpointing: 'off',
    });
    const stopped = trainInProcess(run, 3_500_000) as Extract<RunEvent, { type: 'stopped' }>;
    expect(stopped).toMatchObject({
      type: 'stopped',
      reason: 'failed',
      error: { code: 'engine/out-of-memory', detail: { device: 'cpu' } },
    });
    const { fits } = (stopped.error as ErrorData).detail as { fits: readonly Fitting[] };
    expect(fits).toHaveLength(3);
    expect(describeError(stopped.error!)[1]).toContain('micro-batch 32, grad-accum 2');
    await changeSettings(run, { ...(await readRun(run)).settings, ...fits[2]!.change });
    expect(trainInProcess(run)).toMatchObject({ type: 'stopped', reason: 'finished' });
  });
});
