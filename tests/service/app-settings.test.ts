import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appSettingDefaults } from '../../src-main/contract/app-settings.ts';
import { changeAppSettings, readAppSettings } from '../../src-main/service/app-settings.ts';
import { openHome } from '../../src-main/store/home/home.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cambium-settings-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

it('has the defaults before anything is changed, and keeps what is changed', async () => {
  const home = openHome(dir);
  expect(await readAppSettings(home)).toEqual(appSettingDefaults);
  expect(await changeAppSettings(home, { theme: 'dark', port: 9000 })).toEqual({
    ...appSettingDefaults,
    theme: 'dark',
    port: 9000,
  });
  await changeAppSettings(home, { trashDays: 7 });
  expect(await readAppSettings(openHome(dir))).toMatchObject({ theme: 'dark', port: 9000, trashDays: 7 });
});

it('uses the default for a field that is invalid, and keeps fields of another version', async () => {
  writeFileSync(
    join(dir, 'settings.json'),
    JSON.stringify({ theme: 'blue', port: 80, later: 1, trashDays: 3 }),
  );
  const home = openHome(dir);
  expect(await readAppSettings(home)).toEqual({ ...appSettingDefaults, trashDays: 3 });
  await changeAppSettings(home, { notifications: true });
  expect(JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8'))).toMatchObject({
    later: 1,
    notifications: true,
    theme: null,
  });
});
