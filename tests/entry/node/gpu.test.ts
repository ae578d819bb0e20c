/** @file The command gpu as a process: wheels from a fake pip and from files, status, doctor and removal. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { freshFolder } from '../../support/temporary.ts';
import { root } from '../../support/test-service.ts';
import { getProviderFileName, writeProvider } from '../../store/gpu/wheels.ts';

const cli = join(root, 'src-main/entry/node/cli.ts');
const runtimePackage = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
const { version } = JSON.parse(readFileSync(runtimePackage, 'utf8')) as { version: string };
let home: string;
let path: string;
beforeEach(() => {
  home = freshFolder('home');
  path = process.env['PATH'] ?? '';
});

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function cambium(...args: readonly string[]): Result {
  const argv = ['--disable-warning=ExperimentalWarning', cli, ...args];
  const env = { ...process.env, CAMBIUM_HOME: home, PATH: path };
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', env });
  return { code: status, out: stdout, err: stderr };
}

/** Puts a pip3 first in PATH that runs `script` and appends its arguments to the file that is returned. */
function usePip(script: string): string {
  const folder = freshFolder('bin');
  const calls = join(folder, 'calls');
  const lines = ['#!/bin/sh', '[ "$1" = --version ] && exit 0', `echo "$@" >> '${calls}'`, script];
  writeFileSync(join(folder, 'pip3'), `${lines.join('\n')}\n`);
  chmodSync(join(folder, 'pip3'), 0o755);
  path = [folder, path].join(delimiter);
  return calls;
}

/** A script that "downloads" the wheels of a folder. */
const copyWheels = (wheels: string): string => `
while [ "$1" != --dest ]; do shift; done
cp '${wheels}'/*.whl "$2"
for f in "$2"/*.whl; do echo "Saved $f"; done`;

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('cambium gpu', () => {
  it('installs the provider with pip, which status and doctor show, and removes it', () => {
    const wheels = freshFolder('wheels');
    writeProvider(wheels, { version });
    const calls = usePip(copyWheels(wheels));
    const before = cambium('gpu', 'status', '--json');
    expect(before.code).toBe(1);
    expect(JSON.parse(before.out)).toMatchObject({ needed: version, installed: null });

    const installed = cambium('gpu', 'install', '--json');
    expect(installed.err).toContain(`Downloading onnxruntime-gpu ${version}`);
    expect(installed.code).toBe(0);
    expect(JSON.parse(installed.out.trim().split('\n').at(-1)!)).toMatchObject({
      installed: {
        runtime: version,
        current: true,
        files: [
          { name: 'libonnxruntime.so.1' },
          { name: 'libonnxruntime_providers_cuda.so' },
          { name: 'libonnxruntime_providers_shared.so' },
        ],
      },
    });
    const call = readFileSync(calls, 'utf8');
    expect(call).toMatch(/download --no-deps --only-binary=:all: .*--platform manylinux_2_28_x86_64 /);
    expect(call.endsWith(` onnxruntime-gpu==${version}\n`)).toBe(true);
    // The downloaded wheels are removed after the installation.
    expect(readdirSync(join(home, 'cache', 'wheels'))).toEqual([]);

    expect(cambium('doctor').out.replaceAll(/ +/g, ' ')).toContain(
      `CUDA provider ${version} in ${join(home, 'gpu')}`,
    );
    // The engine now loads the library of ONNX Runtime that was installed.
    expect(cambium('devices').out).toMatch(/cpu +yes/);
    expect(cambium('gpu', 'remove').out).toContain('removed');
    expect(existsSync(join(home, 'gpu'))).toBe(false);
    expect(cambium('gpu', 'remove').out.trim()).toBe('No CUDA provider was installed');
  });

  it('reports the error of pip, and what to do without pip', () => {
    usePip('echo "ERROR: No matching distribution found" >&2; exit 1');
    const failed = cambium('gpu', 'install');
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('No matching distribution found');
    path = mkdirSync(join(freshFolder('empty'), 'bin'), { recursive: true })!;
    const withoutPip = cambium('gpu', 'install');
    expect(withoutPip.code).toBe(1);
    expect(withoutPip.err).toContain('no pip was found');
  });

  it('installs a local wheel of the right version, and refuses others', () => {
    const wheels = freshFolder('wheels');
    const wheel = writeProvider(wheels, { version });
    expect(cambium('gpu', 'install', '--from', wheel).out).toContain(`CUDA provider   ${version}`);
    const other = writeProvider(wheels, { version: '1.2.3', file: getProviderFileName('1.2.3') });
    const refused = cambium('gpu', 'install', '--from', other);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(`it is version 1.2.3, and ${version} is needed`);
    const both = cambium('gpu', 'install', '--from', 'x.whl', '--index', 'http://127.0.0.1:9/');
    expect(both.code).toBe(2);
  });

  it.each([['status'], ['install'], ['remove']])('%s --help has examples', (command) => {
    const { code, out } = cambium('gpu', command, '--help');
    expect(code).toBe(0);
    expect(out).toContain('Examples:\n  cambium gpu');
  });
});
