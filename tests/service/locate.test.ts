import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { locateCheckpoint, type DroppedFolder } from '../../src-main/service/locate.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { exampleCheckpoint } from '../support/test-service.ts';
import { freshFolder } from '../support/temporary.ts';

it('finds a dropped folder by its name, config and file sizes', async () => {
  const root = freshFolder();
  const dir = join(root, 'a', 'b', 'model');
  const withOtherConfig = join(root, 'c', 'model');
  for (const copy of [dir, withOtherConfig]) cpSync(exampleCheckpoint, copy, { recursive: true });
  const config = readFileSync(join(exampleCheckpoint, 'config.json'), 'utf8');
  writeFileSync(join(withOtherConfig, 'config.json'), `${config} `);
  // Hidden files are not compared.
  writeFileSync(join(dir, '.gitattributes'), '*.safetensors filter=lfs\n');
  const sizes = readdirSync(dir).map((name) => ({ name, bytes: statSync(join(dir, name)).size }));
  const find = (change: Partial<DroppedFolder> = {}): Promise<readonly string[]> =>
    locateCheckpoint(openHome(join(root, 'home')), { name: 'model', config, sizes, ...change }, [root]);
  expect(await find()).toEqual([dir]);
  expect(await find({ sizes: sizes.map((s) => ({ ...s, bytes: s.bytes + 1 })) })).toEqual([]);
  expect(await find({ name: 'other' })).toEqual([]);
  expect(await find({ config: 'not json' })).toEqual([]);
});
