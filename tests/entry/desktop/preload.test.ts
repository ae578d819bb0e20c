import { expect, it, onTestFinished, vi } from 'vitest';
import { fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);

it('exposes paths of dropped files and the file dialog, passes the port to the page, and nothing else', async () => {
  const posted: unknown[][] = [];
  const postMessage = (...args: unknown[]): void => {
    posted.push(args);
  };
  vi.stubGlobal('window', { postMessage });
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  await import('../../../src-main/entry/desktop/preload.ts');
  expect(Object.keys(fake.exposed)).toEqual(['cambium']);
  const { desktop, pathOf, choosePath, ...rest } = fake.exposed['cambium'] as {
    desktop: boolean;
    pathOf: (file: unknown) => string;
    choosePath: (kind: string, title: string, start?: string) => Promise<unknown>;
  };
  expect([desktop, pathOf({ path: '/a/b' }), rest]).toEqual([true, '/a/b', {}]);
  fake.invoke = (...args) => args;
  expect(await choosePath('folder', 'Choose', '/a')).toEqual([
    'cambium:choose-path',
    { kind: 'folder', title: 'Choose', start: '/a' },
  ]);
  fake.ipcListeners.get('cambium:port')!({ ports: ['port'] });
  expect(posted).toEqual([['cambium:port', '*', ['port']]]);
});
