import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { downloadWheels } from '../../../src-main/entry/node/pip.ts';
import { freshFolder } from '../../support/temporary.ts';

it.skipIf(process.platform === 'win32')(
  'finds the wheel that pip names, though the line comes in two pieces',
  async () => {
    const bin = freshFolder('bin');
    const folder = freshFolder('wheels');
    const before = process.env['PATH'];
    const said: string[] = [];
    writeFileSync(
      join(bin, 'pip3'),
      `#!/bin/sh\n[ "$1" = --version ] && exit 0\nprintf 'Saved ./some_pack'; sleep 0.3; printf 'age-1.0-py3-none-any.whl\\nDone'\n`,
    );
    chmodSync(join(bin, 'pip3'), 0o755);
    for (const version of ['0.9', '1.0'])
      writeFileSync(join(folder, `some_package-${version}-py3-none-any.whl`), '');
    process.env['PATH'] = [bin, before].join(delimiter);
    onTestFinished(() => {
      process.env['PATH'] = before;
    });
    const wheels = await downloadWheels(['some-package'], folder, {
      signal: new AbortController().signal,
      say: (line) => {
        said.push(line);
      },
    });
    expect(wheels).toEqual([join(folder, 'some_package-1.0-py3-none-any.whl')]);
    expect(said).toEqual(['Saved ./some_package-1.0-py3-none-any.whl', 'Done']);
  },
);
