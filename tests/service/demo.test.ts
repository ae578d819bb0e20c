/**
 * @file The demo from end to end on the built-in checkpoint with real engines, at a size that takes seconds;
 * and what its report says.
 */
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createForkedProcesses } from '../../src-main/entry/node/processes.ts';
import { runDemo } from '../../src-main/service/demo.ts';
import { renderDemoReport, summarizeDemo } from '../../src-main/service/demo-report.ts';
import { createService, type RunningService } from '../../src-main/service/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { errorCodeOf, noTunnel, root, testEnvironment } from '../support/test-service.ts';

/** A service with real engines and the checkpoint that comes with Cambium, on a folder of its own. */
async function withService(work: (running: RunningService, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-demo-test-'));
  const home = openHome(join(dir, 'home'));
  const processes = createForkedProcesses(join(root, 'src-main/engine/main.ts'));
  const running = createService({
    home,
    processes,
    environment: { ...testEnvironment, resources: join(root, 'resources') },
    tunnel: noTunnel,
  });
  process.env['CAMBIUM_HOME'] = home.dir;
  try {
    await work(running, dir);
  } finally {
    delete process.env['CAMBIUM_HOME'];
    await running.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

it('grows, proves, trains both starts on the same batches, exports and reads back', async () => {
  await withService(async (running, dir) => {
    const told: string[] = [];
    const signal = new AbortController().signal;
    const result = await runDemo(
      running.api,
      { dir: join(dir, 'demo'), tokens: 6144, seed: 0 },
      {
        phase: (text) => {
          told.push(text);
        },
        progress: () => undefined,
      },
      signal,
    );
    expect(result.certificate.passed).toBe(true);
    expect(result.plan.parameters.after).toBe(result.reopened.parameters);
    expect(Math.abs(result.certificate.lossSource - result.certificate.lossGrown)).toBeLessThan(1e-5);
    expect(result.sourceLoss).toBeLessThan(1); // it knows the stories, which it has not seen
    expect(result.random.heldOut[0]!.loss).toBeGreaterThan(6); // log 1024 is 6.93
    expect(result.grown.steps.map((s) => s.tokens)).toEqual(result.random.steps.map((s) => s.tokens));
    expect(result.tokensToMatch).toBeNull();
    expect(existsSync(join(result.exported.dir, 'model.safetensors'))).toBe(true);
    expect(told.length).toBeGreaterThanOrEqual(6);
    const page = renderDemoReport(result);
    for (const [what, value] of summarizeDemo(result)) {
      expect(page).toContain(what);
      expect(page).toContain(value.replaceAll('&', '&#38;'));
    }
    expect(page).not.toMatch(/NaN|undefined|https?:/);
    await expect(
      runDemo(
        running.api,
        { dir: join(dir, 'demo'), tokens: 1, seed: 0 },
        { phase: () => undefined, progress: () => undefined },
        signal,
      ),
    ).rejects.toMatchObject({ code: 'file/exists' });
  });
});

it('is cancelled in the middle of a training and leaves nothing', async () => {
  await withService(async (running, dir) => {
    const stop = new AbortController();
    const demo = join(dir, 'demo');
    const code = await errorCodeOf(
      runDemo(
        running.api,
        { dir: demo, tokens: 5_000_000, seed: 0 },
        {
          phase: () => undefined,
          progress: (label, done) => {
            if (label.startsWith('Training') && done >= 2) stop.abort();
          },
        },
        stop.signal,
      ),
    );
    expect([code, existsSync(demo), running.activeCount()]).toEqual(['cancelled', false, 0]);
  });
});
