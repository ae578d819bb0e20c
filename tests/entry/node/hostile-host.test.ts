/** @file The command line with a remote host that answers as it likes. */
import { afterEach, expect, it } from 'vitest';
import type { Streams } from '../../../src-main/entry/node/output.ts';
import { runProgram } from '../../../src-main/entry/node/program.ts';
import type { RunningService } from '../../../src-main/service/service.ts';
import { createHostileService } from '../../support/hostile-host.ts';
import { freshFolder } from '../../support/temporary.ts';

let out = '';
let err = '';
afterEach(() => {
  out = '';
  err = '';
});

async function run(argv: readonly string[]): Promise<number> {
  const api = await createHostileService(freshFolder(), ({ id }) => [
    { type: 'response', id, value: [{ name: '\x1b[31mred', state: 'stolen' }] },
    { type: 'item', id, value: { type: 'done' } },
  ]);
  const running = { api, close: () => Promise.resolve() } as unknown as RunningService;
  const collect = (write: (text: string) => void): Streams['err'] => ({ write, isTTY: false, columns: 100 });
  return runProgram(argv, {
    version: '1.2.3',
    signal: new AbortController().signal,
    pages: '/nowhere',
    browser: null,
    start: () => running,
    streams: {
      out: collect((text) => {
        out += text;
      }),
      err: collect((text) => {
        err += text;
      }),
    },
  });
}

it.each([
  [['--host', 'box', 'runs'], 'runs'],
  [['host', 'check', 'box'], 'about'],
])('%j fails, and names the host and the procedure', async (argv, call) => {
  expect(await run(argv)).toBe(1);
  expect(err).toContain(`box sent an answer to ${call} that is not valid`);
  expect(err).toContain('do not trust that computer');
  expect(out).toBe('');
  await run([...argv, '--json']);
  expect(JSON.parse(out.trim().split('\n').at(-1)!)).toMatchObject({ error: { code: 'remote/bad-answer' } });
});
