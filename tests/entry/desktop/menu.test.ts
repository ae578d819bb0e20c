import { beforeEach, expect, it, vi } from 'vitest';
import { fake, type MenuItem } from './fake-electron.ts';
import { freshFolder } from '../../support/temporary.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { setMenu } from '../../../src-main/entry/desktop/menu.ts';

const shown: (string | undefined)[] = [];
beforeEach(() => {
  shown.length = 0;
  setMenu({
    show: (route) => {
      shown.push(route);
    },
    checkForUpdates: () => undefined,
  });
});
const itemsOf = (items: readonly MenuItem[]): readonly MenuItem[] =>
  items.flatMap((item) => [item, ...itemsOf(item.submenu ?? [])]);
const click = (label: string): void => {
  itemsOf(fake.menu).find((item) => item.label === label)!.click!();
};

it('opens a checkpoint that is chosen in the system dialog', async () => {
  const dir = freshFolder();
  fake.chosenPaths = [dir];
  click('Open Checkpoint…');
  await vi.waitFor(() => {
    expect(shown).toEqual([`#/checkpoint?${new URLSearchParams({ dir }).toString()}`]);
  });
  fake.chosenPaths = [];
  click('Open Checkpoint…');
  await Promise.resolve();
  expect(shown).toHaveLength(1);
});

it('shows the pages', () => {
  for (const label of ['Models', 'Runs', 'Hub', 'This Computer']) click(label);
  expect(shown).toEqual(['#/', '#/runs', '#/hub', '#/devices']);
});
