import { beforeEach, expect, it } from 'vitest';
import { Theme } from '../../../src-renderer/state/theme.svelte.ts';

beforeEach(() => {
  localStorage.clear();
});

/** Connects a page whose browser has `stored`, and returns what was saved on the server. */
function connect(stored: string | undefined, server: 'system' | 'light' | 'dark' | null): [Theme, string[]] {
  if (stored !== undefined) localStorage.setItem('cambium.theme', stored);
  const theme = new Theme();
  const saved: string[] = [];
  theme.connect(server, (choice) => saved.push(choice));
  return [theme, saved];
}

it('keeps the theme of the browser when the server has none, and gives it to the server', () => {
  const [theme, saved] = connect('dark', null);
  expect([theme.choice, localStorage.getItem('cambium.theme'), saved]).toEqual(['dark', 'dark', ['dark']]);
});

it.each(['system', 'light', 'dark'] as const)('takes %s from the server', (choice) => {
  const [theme, saved] = connect('dark', choice);
  expect([theme.choice, localStorage.getItem('cambium.theme'), saved]).toEqual([choice, choice, []]);
});

it('follows the system when neither has a choice', () => {
  const [theme, saved] = connect(undefined, null);
  expect([theme.choice, saved]).toEqual(['system', []]);
});
