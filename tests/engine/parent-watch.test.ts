import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isProcessAlive } from '../../src-main/store/fs/process.ts';
import { root, waitUntil } from '../support/test-service.ts';

const module = JSON.stringify(join(root, 'src-main/engine/parent-watch.ts'));
const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e'];

/** Starts a process that watches its parent and then does `work`, and kills the parent. Returns its id. */
async function orphan(work: string): Promise<number> {
  const child = `
    import { watchParent } from ${module};
    const watch = watchParent({ interval: 20, grace: 200, stuckAfter: 500 });
    console.log(process.pid);
    setTimeout(() => { ${work} }, 50);`;
  const parent = `
    import { spawn } from 'node:child_process';
    const args = ${JSON.stringify([...flags, child])};
    spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    setInterval(() => undefined, 1000);`;
  const started = spawn(process.execPath, [...flags, parent], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(started.stdout.setEncoding('utf8'), 'data')) as [string];
  const pid = Number(line);
  expect(isProcessAlive(pid)).toBe(true);
  started.kill('SIGKILL');
  return pid;
}

it.each([
  ['is stuck in a computation', 'for (;;);'],
  ['is stuck and has something to save', 'watch.protect(); for (;;);'],
  ['waits for something that never comes', 'setInterval(() => undefined, 1000);'],
])('ends a process that %s when its parent is gone', async (_, work) => {
  const pid = await orphan(work);
  await waitUntil(() => !isProcessAlive(pid));
});

it('lets a process finish that has something to save', async () => {
  const pid = await orphan(
    'watch.protect(); setTimeout(() => { console.log("saved"); watch.unprotect(); }, 3000);',
  );
  const start = Date.now();
  while (Date.now() - start < 1500) {
    expect(isProcessAlive(pid)).toBe(true);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  await waitUntil(() => !isProcessAlive(pid));
});
