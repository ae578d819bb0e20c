import { appendFileSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { redactSecrets } from '../../src-main/service/diagnostics.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { exampleCheckpoint, startTestService, type TestService } from '../support/test-service.ts';

vi.mock('node:os', { spy: true });

const hubToken = 'hf_abcdefghijKLMNOP1234';
const sessionKey = 'a'.repeat(64);

describe('redactSecrets', () => {
  it('removes tokens, passwords, the home folder and the user name, but no other words', () => {
    const text = [
      `Authorization: Bearer ${hubToken}`,
      `http://127.0.0.1:1/#token=${sessionKey}`,
      '"password": "swordfish"',
      'https://me:pass@host/x',
      '/home/ada/models ada says: tokens 5, secretary',
    ].join('\n');
    const redacted = redactSecrets(text, { home: '/home/ada', user: 'ada' });
    for (const secret of [hubToken, sessionKey, 'swordfish', 'me:pass', 'ada', '/home'])
      expect(redacted).not.toContain(secret);
    expect(redacted).toContain('~/models');
    expect(redacted).toContain('tokens 5, secretary');
  });

  it('works for a user without an entry in the system', () => {
    vi.mocked(userInfo).mockImplementationOnce(() => {
      throw new Error('uv_os_get_passwd returned ENOENT');
    });
    expect(redactSecrets(`token=${hubToken} of Ada`)).toBe('token=… of Ada');
  });
});

describe('diagnostics', () => {
  let app: TestService;
  afterEach(() => app.cleanUp());

  it('include devices, checks, and the settings and last lines of a run, but no samples', async () => {
    app = startTestService();
    const dir = join(app.dir, 'oak');
    const { api } = app.service;
    await createRun(dir, {
      checkpoint: exampleCheckpoint,
      data: ['/t'],
      settings: { ...trainingDefaults, lr: 0.0123, prompt: 'dear Ada, between us' },
      name: 'oak',
    });
    writeFileSync(join(dir, 'log.txt'), `it failed near HF_TOKEN=${hubToken} in ${homedir()}/models\n`);
    const events = [
      { type: 'sample', step: 1, prompt: 'my diary', text: 'private' },
      { at: 'sample', step: 1, prompt: 'my former diary', text: 'also hidden' },
      { type: 'saved', step: 7, dir: 'x' },
    ];
    for (const event of events) appendFileSync(join(dir, 'events.jsonl'), `${JSON.stringify(event)}\n`);
    const { text } = await api.diagnostics({ run: dir });
    for (const part of ['# Cambium 0.0.0', '## Devices', '## Checks', '0.0123', 'it failed near', '"step":7'])
      expect(text).toContain(part);
    const secrets = [hubToken, 'diary', 'dear Ada', 'private', 'also hidden', `${homedir()}/models`];
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect((await api.diagnostics({})).text).not.toContain('## Log');
  });
});
