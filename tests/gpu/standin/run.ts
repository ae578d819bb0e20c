/**
 * @file npm run test:standin: builds the stand-in and runs its suite. The dynamic loader reads
 * LD_LIBRARY_PATH when a process starts, so the suite runs in a child. `--update-budget` writes budget.json
 * anew.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.ts';

const root = join(import.meta.dirname, '../../..');
const updateFlag = '--update-budget';
const built = await build();
const environment: NodeJS.ProcessEnv = { ...process.env };
if ('missing' in built) {
  environment['CUDA_STANDIN_MISSING'] = built.missing;
  console.log(`The CUDA stand-in is skipped: ${built.missing}.`);
} else {
  environment['CUDA_STANDIN'] = built.libraries;
  environment['CAMBIUM_GPU_LIBRARIES'] = built.provider;
  environment['LD_LIBRARY_PATH'] = [built.libraries, process.env['LD_LIBRARY_PATH']]
    .filter(Boolean)
    .join(':');
}
const args = process.argv.slice(2);
if (args.includes(updateFlag)) environment['CUDA_STANDIN_UPDATE_BUDGET'] = '1';
const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'standin'];
const { status } = spawnSync(process.execPath, [...vitest, ...args.filter((arg) => arg !== updateFlag)], {
  cwd: root,
  env: environment,
  stdio: 'inherit',
});
process.exit(status ?? 1);
