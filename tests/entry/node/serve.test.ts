import { expect, it } from 'vitest';
import { AppError, createError } from '../../../src-main/base/errors.ts';
import { startOnPort } from '../../../src-main/entry/node/commands/serve.ts';
import { createOutput } from '../../../src-main/entry/node/output.ts';
import type { Server } from '../../../src-main/entry/node/server.ts';

const notes: string[] = [];
const out = createOutput(false, {
  out: { write: () => true },
  err: { write: (text) => notes.push(text) },
});
/** Starts a server where some ports are taken; returns the ports that were tried. */
async function tryPorts(given: string | undefined, taken: readonly number[] = []): Promise<number[]> {
  const tried: number[] = [];
  await startOnPort(given, 8321, out, (port) => {
    tried.push(port);
    const error = createError('serve/port', { port, why: 'another program uses it' });
    return taken.includes(port) ? Promise.reject(error) : Promise.resolve({ port } as Server);
  });
  return tried;
}

it('serves on the preferred port, and on a free one if another program has it', async () => {
  const [port, ...others] = await tryPorts(undefined);
  expect([port, others]).toEqual([8321, []]);
  expect(await tryPorts(undefined, [8321])).toEqual([8321, 0]);
  expect(notes.join('')).toContain('Another program uses port 8321');
});

it('serves on no other port than the one that was asked for', async () => {
  expect(await tryPorts('9000')).toEqual([9000]);
  await expect(tryPorts('9000', [9000])).rejects.toBeInstanceOf(AppError);
});
