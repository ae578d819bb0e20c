/** @file Reads and changes the settings of the app in the home folder. */
import { parseAppSettings, type AppSettingChange, type AppSettings } from '../contract/app-settings.ts';
import type { Home } from '../store/home/home.ts';

const fileName = 'settings.json';

export const readAppSettings = async (home: Pick<Home, 'readFile'>): Promise<AppSettings> =>
  parseAppSettings(await home.readFile(fileName));

/** Changes the settings that are given, and returns all. Fields of a later version stay in the file. */
export async function changeAppSettings(
  home: Pick<Home, 'readFile' | 'updateFile'>,
  change: AppSettingChange,
): Promise<AppSettings> {
  await home.updateFile(fileName, (before) => ({ ...before, ...parseAppSettings(before), ...change }));
  return readAppSettings(home);
}
