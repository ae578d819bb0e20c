import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { downloadWheels } from '../../../src-main/entry/node/pip.ts';
import { freshFolder } from '../../support/temporary.ts';

/** Puts a pip3 that runs `script` first in PATH. */
function usePip(script: string): void {
  const bin = freshFolder('bin');
  const before = process.env['PATH'];
  writeFileSync(join(bin, 'pip3'), `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${script}\n`);
  chmodSync(join(bin, 'pip3'), 0o755);
  process.env['PATH'] = [bin, before].join(delimiter);
  onTestFinished(() => {
    process.env['PATH'] = before;
  });
}

it.skipIf(process.platform === 'win32')(
  'finds the wheel that pip names, even if the line arrives in two pieces',
  async () => {
    usePip(`printf 'Saved ./some_pack'; sleep 0.3; printf 'age-1.0-py3-none-any.whl\\nDone'`);
    const folder = freshFolder('wheels');
    for (const version of ['0.9', '1.0'])
      writeFileSync(join(folder, `some_package-${version}-py3-none-any.whl`), '');
    const lines: string[] = [];
    const wheels = await downloadWheels(['some-package'], folder, {
      signal: new AbortController().signal,
      onLine: (line) => {
        lines.push(line);
      },
    });
    expect(wheels).toEqual([join(folder, 'some_package-1.0-py3-none-any.whl')]);
    expect(lines).toEqual(['Saved ./some_package-1.0-py3-none-any.whl', 'Done']);
  },
);
