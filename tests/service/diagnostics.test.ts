import { appendFileSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { redactSecrets } from '../../src-main/service/diagnostics.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { readTail } from '../../src-main/store/data/text-tail.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { exampleCheckpoint, startTestService, type TestService } from '../support/test-service.ts';

vi.mock('node:os', { spy: true });

let place: TestService;
afterEach(() => place?.cleanUp());
const secrets = ['hf_abcdefghijKLMNOP1234', 'a'.repeat(64), 'swordfish', 'me:pass'];

it('secrets, the home and the name of the person are taken out, and words are left alone', () => {
  const text = `Authorization: Bearer ${secrets[0]!}\nhttp://127.0.0.1:1/#token=${secrets[1]!}\n"password": "${secrets[2]!}"\nhttps://${secrets[3]!}@host/x\n/home/ada/models ada says: tokens 5, secretary`;
  const plain = redactSecrets(text, { home: '/home/ada', user: 'ada' });
  for (const secret of [...secrets, 'ada', '/home']) expect(plain).not.toContain(secret);
  expect(plain).toContain('~/models');
  expect(plain).toContain('tokens 5, secretary');
});

it('tell of devices, checks, and a run with its last lines, but not what it wrote', async () => {
  place = startTestService();
  const dir = join(place.dir, 'oak');
  const { api } = place.service;
  await createRun(dir, {
    checkpoint: exampleCheckpoint,
    data: ['/t'],
    settings: { ...trainingDefaults, lr: 0.0123, prompt: 'dear Ada, between us' },
    name: 'oak',
  });
  writeFileSync(join(dir, 'log.txt'), `it failed near HF_TOKEN=${secrets[0]!} in ${homedir()}/models\n`);
  appendFileSync(
    join(dir, 'events.jsonl'),
    `${JSON.stringify({ type: 'sample', step: 1, prompt: 'my diary', text: 'private' })}\n${JSON.stringify({ type: 'saved', step: 7, dir: 'x' })}\n`,
  );
  const { text } = await api.diagnostics({ run: dir });
  for (const part of ['# Cambium 0.0.0', '## Devices', '## Checks', '0.0123', 'it failed near', '"step":7'])
    expect(text).toContain(part);
  for (const secret of [secrets[0]!, 'my diary', 'dear Ada', 'private', `${homedir()}/models`])
    expect(text).not.toContain(secret);
  expect((await api.diagnostics({})).text).not.toContain('## Log');
});

it('a user without an entry in the system has no name to take out', () => {
  vi.mocked(userInfo).mockImplementationOnce(() => {
    throw new Error('uv_os_get_passwd returned ENOENT');
  });
  expect(redactSecrets(`token=${secrets[0]!} of Ada`)).toBe('token=… of Ada');
});

it('the end of a file is whole lines', async () => {
  place = startTestService();
  const path = join(place.dir, 'log');
  writeFileSync(path, Array.from({ length: 100 }, (_, i) => `line ${i}`).join('\n'));
  expect(await readTail(path, 20)).toBe('line 98\nline 99');
  expect(await readTail(path, 1e6)).toMatch(/^line 0\n/);
  expect(await readTail(join(place.dir, 'none'), 10)).toBe('');
});
