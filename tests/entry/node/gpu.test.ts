/**
 * @file `cambium gpu` as a process: wheels through a stand-in for pip, from files, from an index of one's
 * own; status, doctor and removal.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { freshFolder } from '../../support/temporary.ts';
import { getProviderFileName, writeProvider } from '../../store/gpu/wheels.ts';

const cli = join(import.meta.dirname, '../../../src-main/entry/node/cli.ts');
const { version } = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'), 'utf8'),
) as { version: string };
let home: string;
let path: string;
beforeEach(() => {
  home = freshFolder('home');
  path = process.env['PATH'] ?? '';
});

const cambium = (
  ...args: string[]
): { readonly code: number | null; readonly out: string; readonly err: string } => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', cli, ...args],
    { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: home, PATH: path } },
  );
  return { code: status, out: stdout, err: stderr };
};

/** A folder with a pip3 that fetches from `wheels` what it is asked for, and remembers how it was called. */
function standIn(wheels: string, fails = false): string {
  const folder = freshFolder('bin');
  const script = join(folder, 'pip3');
  writeFileSync(
    script,
    `#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "$@" >> '${folder}/calls'\n${fails ? 'echo "ERROR: No matching distribution found" >&2; exit 1\n' : ''}while [ "$1" != --dest ]; do shift; done\ncp '${wheels}'/*.whl "$2"\nfor f in "$2"/*.whl; do echo "Saved $f"; done\n`,
  );
  chmodSync(script, 0o755);
  path = [folder, path].join(delimiter);
  return folder;
}

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('the CUDA provider', () => {
  it("is fetched by name and version with the person's pip, installed, shown by status and doctor, and removed", () => {
    const wheels = freshFolder('wheels');
    writeProvider(wheels, { version });
    const bin = standIn(wheels);
    const before = cambium('gpu', 'status', '--json');
    expect([before.code, JSON.parse(before.out)]).toMatchObject([1, { needed: version, installed: null }]);

    const done = cambium('gpu', 'install', '--json');
    expect(done.err).toContain(`Fetching onnxruntime-gpu ${version}`);
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out.trim().split('\n').at(-1)!)).toMatchObject({
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
    expect(readFileSync(join(bin, 'calls'), 'utf8')).toMatch(
      new RegExp(
        `download --no-deps --only-binary=:all: .*--platform manylinux_2_28_x86_64 .* onnxruntime-gpu==${version.replaceAll('.', '\\.')}\n`,
      ),
    );
    expect(readdirSync(join(home, 'cache', 'wheels'))).toEqual([]); // what was fetched is not kept twice

    expect(cambium('doctor').out).toContain(`CUDA provider     ${version} in ${join(home, 'gpu')}`);
    expect(cambium('devices').out).toMatch(/cpu +yes/); // our own ONNX Runtime, now from there
    expect(cambium('gpu', 'remove').out).toContain('removed');
    expect([existsSync(join(home, 'gpu')), cambium('gpu', 'remove').out.trim()]).toEqual([
      false,
      'No CUDA provider was installed',
    ]);
  });

  it('says what pip said when it fails, and what to do without pip', () => {
    standIn(freshFolder('wheels'), true);
    const failed = cambium('gpu', 'install');
    expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('No matching distribution found')]);
    path = mkdirSync(join(freshFolder('empty'), 'bin'), { recursive: true })!;
    const none = cambium('gpu', 'install');
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('no pip was found')]);
  });

  it('is installed from a wheel that is here, and only of the right version', () => {
    const wheels = freshFolder('wheels');
    expect(cambium('gpu', 'install', '--from', writeProvider(wheels, { version })).out).toContain(
      `CUDA provider   ${version}`,
    );
    const wrong = cambium(
      'gpu',
      'install',
      '--from',
      writeProvider(wheels, { version: '1.2.3', file: getProviderFileName('1.2.3') }),
    );
    expect([wrong.code, wrong.err]).toEqual([
      1,
      expect.stringContaining(`it is version 1.2.3, and ${version} is needed`),
    ]);
    expect(cambium('gpu', 'install', '--from', 'x.whl', '--index', 'http://127.0.0.1:9/').code).toBe(2);
  });

  it.each([['status'], ['install'], ['remove']])('%s explains itself with examples', (command) => {
    const { code, out } = cambium('gpu', command, '--help');
    expect([code, out]).toEqual([0, expect.stringContaining('Examples:\n  cambium gpu')]);
  });
});
