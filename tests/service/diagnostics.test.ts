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

  /** Secrets as they stand in logs; the first group is what must not stay. */
  const corpus: readonly (readonly [line: string, secret: string])[] = [
    ['Authorization: Bearer abcDEF123.-_~xyz', 'abcDEF123.-_~xyz'],
    ['sent with Bearer abcDEF123456', 'abcDEF123456'],
    ['Authorization: Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['token ghp_16C7e42F292c6912E7710c838347Ae178B4a', '16C7e42F292c'],
    ['github_pat_11ABCDEFG0aBcDeFgHiJkL_mnop', '11ABCDEFG0'],
    ['glpat-abcdefghij1234567890', 'abcdefghij1234567890'],
    ['xoxb-123456789012-abcdefghijkl', '123456789012'],
    ['npm_abcdefghijklmnop1234', 'abcdefghijklmnop1234'],
    ['sk-proj-abcdefghij1234567890', 'abcdefghij1234567890'],
    ['AKIAIOSFODNN7EXAMPLE', 'IOSFODNN7EXAMPLE'],
    ['AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG', 'wJalrXUtnFEMI'],
    ['WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567', '0123456789abcdef'],
    ['AIzaSyA-abcdefghijklmnopqrstuvw', 'abcdefghijklmnopqrstuvw'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', 'c2ln'],
    ['GET https://cdn.host/f?X-Amz-Signature=abc&Expires=1', 'X-Amz-Signature'],
    ['GET https://cdn.host/f?sig=ab%2Bc', 'ab%2Bc'],
    ['http://127.0.0.1:8321/#code=once', 'once'],
    ['ssh ada@gpu.lab.example failed', 'ada@gpu'],
    ['https://me:swordfish@host/x', 'swordfish'],
    ['"password": "swordfish"', 'swordfish'],
    ['Cookie: session=swordfish', 'swordfish'],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----', 'b3BlbnNz'],
  ];
  it.each(corpus)('removes the secret of %j', (line, secret) => {
    const redacted = redactSecrets(`before\n${line}\nafter`, { home: '/home/x', user: '' });
    expect(redacted).not.toContain(secret);
    expect(redacted).toMatch(/^before\n[^]*\nafter$/);
  });

  it('takes no longer than the text is long', () => {
    for (const part of ['a', ' ', 'a.', 'https://', '-----BEGIN ', 'eyJ', '@', 'KEY_', 'token: '])
      redactSecrets(part.repeat(16_000 / part.length), { home: '/home/x', user: 'ada' });
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
      { type: 'saved', step: 7, dir: '/data/acme-merger' },
    ];
    for (const event of events) appendFileSync(join(dir, 'events.jsonl'), `${JSON.stringify(event)}\n`);
    const { text } = await api.diagnostics({ run: dir });
    for (const part of ['# Cambium 0.0.0', '## Devices', '## Checks', '0.0123', 'it failed near', '"step":7'])
      expect(text).toContain(part);
    const secrets = [
      hubToken,
      'acme-merger',
      'diary',
      'dear Ada',
      'private',
      'also hidden',
      `${homedir()}/models`,
    ];
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect((await api.diagnostics({})).text).not.toContain('## Log');
  });
});
