/** @file The demo with real engines and the built-in checkpoint, at a size that takes seconds. */
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createForkedProcesses } from '../../src-main/entry/node/processes.ts';
import { runDemo, type DemoReporter } from '../../src-main/service/demo.ts';
import { renderDemoReport, summarizeDemo } from '../../src-main/service/demo-report.ts';
import { createService, type RunningService } from '../../src-main/service/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { errorCodeOf, noTunnel, root, testEnvironment } from '../support/test-service.ts';

const silent: DemoReporter = { phase: () => undefined, progress: () => undefined };

/** Runs `work` with a service with real engines, and a temporary folder. */
async function withService(work: (service: RunningService, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-demo-test-'));
  const home = openHome(join(dir, 'home'));
  const service = createService({
    home,
    processes: createForkedProcesses(join(root, 'src-main/engine/main.ts')),
    environment: { ...testEnvironment, resources: join(root, 'resources') },
    tunnel: noTunnel,
  });
  process.env['CAMBIUM_HOME'] = home.dir;
  try {
    await work(service, dir);
  } finally {
    delete process.env['CAMBIUM_HOME'];
    await service.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

it('grows, certifies, trains both models on the same batches, exports and reads back', async () => {
  await withService(async ({ api }, dir) => {
    const phases: string[] = [];
    const reporter: DemoReporter = {
      ...silent,
      phase: (text) => {
        phases.push(text);
      },
    };
    const { signal } = new AbortController();
    const options = { dir: join(dir, 'demo'), tokens: 6144, seed: 0 };
    const result = await runDemo(api, options, reporter, signal);
    expect(result.certificate.verdict).toBe('passed');
    expect(result.plan.parameters.after).toBe(result.reopened.parameters);
    expect(Math.abs(result.certificate.lossSource - result.certificate.lossGrown)).toBeLessThan(1e-5);
    // The source was trained on other stories of the same kind. Random weights start near log 1024 = 6.93.
    expect(result.sourceLoss).toBeLessThan(1);
    expect(result.random.heldOut[0]!.loss).toBeGreaterThan(6);
    expect(result.grown.steps.map((s) => s.tokens)).toEqual(result.random.steps.map((s) => s.tokens));
    expect(result.tokensToMatch).toBeNull();
    expect(existsSync(join(result.exported.dir, 'model.safetensors'))).toBe(true);
    expect(phases.length).toBeGreaterThanOrEqual(6);
    const page = renderDemoReport(result);
    for (const [label, value] of summarizeDemo(result)) {
      expect(page).toContain(label);
      expect(page).toContain(value.replaceAll('&', '&#38;'));
    }
    expect(page).not.toMatch(/NaN|undefined|https?:/);
    await expect(runDemo(api, { ...options, tokens: 1 }, silent, signal)).rejects.toMatchObject({
      code: 'file/exists',
    });
  });
});

it('leaves no files when it is cancelled during training', async () => {
  await withService(async (service, dir) => {
    const controller = new AbortController();
    const demo = join(dir, 'demo');
    const reporter: DemoReporter = {
      ...silent,
      progress(label, done) {
        if (label.startsWith('Training') && done >= 2) controller.abort();
      },
    };
    const options = { dir: demo, tokens: 5_000_000, seed: 0 };
    const code = await errorCodeOf(runDemo(service.api, options, reporter, controller.signal));
    expect([code, existsSync(demo), service.activeCount()]).toEqual(['cancelled', false, 0]);
  });
});
