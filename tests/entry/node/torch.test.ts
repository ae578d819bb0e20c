/** @file The command torch: installing with a Python that only records what it is asked, status, doctor, removal. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTrainer } from '../../../src-main/launch/python.ts';
import { createFakeTorch } from '../../support/fake-torch.ts';
import { freshFolder } from '../../support/temporary.ts';
import { startTestService, type TestService } from '../../support/test-service.ts';
import { runCommand } from './run-command.ts';

let app: TestService;
let before: NodeJS.ProcessEnv;
let home: string;
beforeEach(() => {
  before = { ...process.env };
  home = freshFolder('home');
  process.env['CAMBIUM_HOME'] = home;
  delete process.env['CAMBIUM_PYTHON'];
  app = startTestService({ behavior: () => 'obey', stepMs: 1 });
});
afterEach(async () => {
  process.env = before;
  await app.service.close();
  await app.cleanUp();
});

/** Puts a python3 first in PATH. Its virtual environments have the Python `inside`; pip ends with `code`. */
function usePython({ version = '3 12', code = 0 } = {}): string {
  const folder = freshFolder('bin');
  const calls = join(folder, 'calls');
  const inside = createFakeTorch();
  const inVenv = ['#!/bin/sh', `[ "$1" = -m ] || exec '${inside}' "$@"`, `echo "$@" >> '${calls}'`];
  const pip = [...inVenv, 'echo "Collecting torch==2.13.0"', `[ ${code} = 0 ] || echo "ERROR: no hash" >&2`];
  const template = join(folder, 'template');
  writeFileSync(template, `${[...pip, `exit ${code}`].join('\n')}\n`);
  chmodSync(template, 0o755);
  const lines = [
    '#!/bin/sh',
    `if [ "$1" = -c ]; then echo "${version}"; exit; fi`,
    `mkdir -p "$3/bin" && cp '${template}' "$3/bin/python"`,
  ];
  for (const name of ['python3', 'python', 'python3.13', 'python3.12', 'python3.11']) {
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  process.env['PATH'] = [folder, before['PATH']].join(delimiter);
  return calls;
}

describe.skipIf(process.platform === 'win32')('cambium torch', () => {
  it('installs exact versions with hashes, which status and doctor show, and removes them', async () => {
    const calls = usePython();
    expect(await runCommand(app, ['torch', 'status'])).toMatchObject({ code: 1 });
    const installed = await runCommand(app, ['torch', 'install', '--json']);
    expect(installed.code, installed.err).toBe(0);
    expect(installed.last()).toMatchObject({
      isChosen: false,
      found: { missing: [], packages: { torch: '2.13.0' } },
    });
    expect(installed.err).toContain('Collecting torch==2.13.0');
    const pip = readFileSync(calls, 'utf8');
    expect(pip).toContain('--require-hashes');
    expect(pip).toContain(join(findTrainer(), 'requirements.txt'));
    expect((await runCommand(app, ['torch', 'status'])).out).toContain('torch 2.13.0');
    const doctor = await runCommand(app, ['doctor', '--json']);
    const { checks } = doctor.last<{
      readonly checks: readonly { readonly what: string; readonly ok: boolean }[];
    }>();
    expect(checks.find(({ what }) => what === 'PyTorch')).toMatchObject({ ok: true, optional: true });
    expect((await runCommand(app, ['torch', 'remove', '--json'])).last()).toEqual({ removed: true });
    expect(existsSync(join(home, 'torch'))).toBe(false);
    expect((await runCommand(app, ['torch', 'remove', '--json'])).last()).toEqual({ removed: false });
  });

  it('leaves nothing behind when pip fails', async () => {
    usePython({ code: 1 });
    const { code, err } = await runCommand(app, ['torch', 'install']);
    expect(code).toBe(1);
    expect(err).toContain('no hash');
    expect(existsSync(join(home, 'torch'))).toBe(false);
  });

  it('refuses a Python that is too old', async () => {
    usePython({ version: '3 10' });
    expect((await runCommand(app, ['torch', 'install'])).err).toContain('no Python 3.11 or newer');
  });

  it('refuses to install beside CAMBIUM_PYTHON, and shows what that one lacks', async () => {
    process.env['CAMBIUM_PYTHON'] = createFakeTorch({ missing: ['transformers'] });
    expect((await runCommand(app, ['torch', 'install'])).err).toContain('CAMBIUM_PYTHON is set');
    const status = await runCommand(app, ['torch', 'status']);
    expect(status).toMatchObject({ code: 1 });
    expect(status.out).toContain('Missing   transformers');
  });
});

describe('the versions that are installed', () => {
  it('are exact, and every file has a SHA-256', () => {
    const text = readFileSync(join(findTrainer(), 'requirements.txt'), 'utf8');
    const entries = text.split(/\n(?=[a-z])/).slice(1);
    expect(entries.length).toBeGreaterThan(20);
    for (const entry of entries)
      expect(entry).toMatch(/^[\w.-]+==[\w.]+[^\n]* \\\n {4}--hash=sha256:[0-9a-f]{64}/);
    const wanted = readFileSync(join(findTrainer(), 'requirements.in'), 'utf8').trim().split('\n');
    for (const line of wanted) expect(text).toContain(`\n${line} `);
  });
});
