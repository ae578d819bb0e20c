/** @file Finds a Chromium for tests that need a browser. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const executableNames = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'microsoft-edge',
];
const installedPaths = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The path of a Chromium: CAMBIUM_CHROMIUM, or the first that is installed. */
export function findChromium(): string | undefined {
  const folders = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)];
  return [
    process.env['CAMBIUM_CHROMIUM'],
    ...executableNames.flatMap((name) => folders.map((dir) => join(dir, name))),
    ...installedPaths,
  ].find((path) => path && existsSync(path));
}
