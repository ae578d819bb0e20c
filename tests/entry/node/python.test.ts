import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listPythons, runPython } from '../../../src-main/entry/node/python.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('listPythons', () => {
  it('has only the Python that the user chose', () => {
    expect(listPythons('/a/python', { CAMBIUM_PYTHON: '/b/python' })).toEqual(['/a/python']);
    expect(listPythons(undefined, { CAMBIUM_PYTHON: '/b/python' })).toEqual(['/b/python']);
  });

  it('has the active virtual environment first', () => {
    expect(listPythons(undefined, { VIRTUAL_ENV: '/venv' }, 'linux')).toEqual([
      join('/venv', 'bin', 'python'),
      'python3',
      'python',
    ]);
    expect(listPythons(undefined, {}, 'win32')).toEqual(['python', 'py']);
  });
});

/** Runs a script of Node in the place of Python. */
function run(
  source: string,
  more: Partial<Parameters<typeof runPython>[2]> = {},
): ReturnType<typeof runPython> {
  const script = join(freshFolder(), 'script.mjs');
  writeFileSync(script, source);
  const options = { python: process.execPath, timeoutMinutes: 1, signal: new AbortController().signal };
  return runPython(script, { files: ['ä'] }, { ...options, ...more });
}

describe('runPython', () => {
  it('gives the script its input, and returns the last line', async () => {
    const { answer, python } = await run(`
      let text = '';
      for await (const part of process.stdin) text += part;
      console.log('Loading weights');
      console.log(JSON.stringify({ input: JSON.parse(text) }));`);
    expect(answer).toEqual({ input: { files: ['ä'] } });
    expect(python).toBe(process.execPath);
  });

  it('says how a script failed, with its last lines', async () => {
    const { detail } = await expectAppError('python/failed', () =>
      run(`console.error('a'); console.error('RuntimeError: no memory'); process.exit(1);`),
    );
    expect(detail).toMatchObject({ how: 'it ended with exit code 1', lines: 'a RuntimeError: no memory' });
    const silent = await expectAppError('python/failed', () => run(`console.log('done');`));
    expect(silent.detail).toMatchObject({ how: 'it printed no answer' });
  });

  it('ends a script that takes too long, or is cancelled', async () => {
    const endless = `setInterval(() => undefined, 1000);`;
    await expectAppError('python/timeout', () => run(endless, { timeoutMinutes: 0.002 }));
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort();
    }, 100);
    await expectAppError('cancelled', () => run(endless, { signal: controller.signal }));
  });

  it('says which Pythons it tried', async () => {
    const { detail } = await expectAppError('python/not-found', () => run('', { python: '/nowhere/python' }));
    expect(detail).toEqual({ tried: ['/nowhere/python'] });
  });
});
