/**
 * @file The test projects, by what they need: `std` nothing, `cpu` ONNX Runtime, `service` child processes, `dom` a
 * simulated page, `torch` a Python with PyTorch, `gpu` a GPU, `standin` the stand-in for NVIDIA's libraries (npm run
 * test:standin), `e2e` a browser.
 */
import { availableParallelism } from 'node:os';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const folders = (...names: string[]): string[] => names.map((name) => `tests/${name}/**/*.test.ts`);

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One worker a core: vitest's own default leaves a core idle.
    maxWorkers: Math.max(2, availableParallelism()),
    // Long enough for a busy machine.
    expect: { poll: { timeout: 60_000 } },
    // For the suites that use the official binding of ONNX Runtime directly.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    projects: [
      {
        extends: true,
        test: {
          name: 'std',
          include: [
            'tests/*.test.ts',
            ...folders(
              'base',
              'tensor',
              'graph',
              'model',
              'growth',
              'train',
              'cost',
              'bakeoff',
              'contract',
              'store',
              'lint',
              'kernels',
            ),
          ],
        },
      },
      {
        extends: true,
        test: { name: 'cpu', include: folders('engine'), pool: 'forks', testTimeout: 180_000 },
      },
      {
        extends: true,
        test: {
          name: 'service',
          include: folders('service', 'entry', 'torture'),
          pool: 'forks',
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        plugins: [svelte()],
        resolve: { conditions: ['browser'] },
        test: {
          name: 'dom',
          include: folders('renderer'),
          environment: 'happy-dom',
          setupFiles: ['tests/renderer/setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'gpu',
          include: ['tests/gpu/**/*.gpu.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'standin',
          include: ['tests/gpu/standin/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'torch',
          include: folders('torch'),
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 900_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.e2e.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
