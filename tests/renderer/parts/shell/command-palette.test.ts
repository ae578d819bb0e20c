import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import CommandPalette from '../../../../src-renderer/parts/shell/command-palette.svelte';
import { findCommands, listCommands, type Command } from '../../../../src-renderer/state/commands.ts';
import { createFakeService } from '../../fake/service.ts';

afterEach(cleanup);
const commandOf = (label: string, run: () => unknown = vi.fn()): Command => ({
  id: label,
  label,
  group: 'Go to',
  run,
});

it('finds commands by all of their words, those that begin with the query first', () => {
  const commands = ['Pause the large run', 'Large model', 'Runs'].map((label) => commandOf(label));
  expect(findCommands(commands, 'large').map(({ label }) => label)).toEqual([
    'Large model',
    'Pause the large run',
  ]);
  expect(findCommands(commands, 'run large').map(({ label }) => label)).toEqual(['Pause the large run']);
  expect(findCommands(commands, 'nothing')).toEqual([]);
});

it('lists pages, checkpoints, runs and the other themes', async () => {
  const service = createFakeService(0);
  const [checkpoints, runs] = await Promise.all([service.checkpoints({}), service.runs({})]);
  const session = { checkpoints, runs, service, refresh: async () => undefined };
  const labels = listCommands(session, { choice: 'dark', setChoice: vi.fn() }).map(({ label }) => label);
  expect(labels).toEqual(expect.arrayContaining(['Runs', `Grow ${checkpoints[0]!.name}`, runs[0]!.name]));
  expect(labels.filter((label) => label.startsWith('Theme'))).toEqual(['Theme: system', 'Theme: light']);
});

it('runs the command that the arrow keys select, and reports its error', async () => {
  const error = new Error('no');
  const failing = vi.fn(() => Promise.reject(error));
  const onerror = vi.fn();
  const { component } = render(CommandPalette, {
    list: () => [commandOf('First'), commandOf('Second', failing)],
    onerror,
  });
  (component as unknown as { open(): void }).open();
  const field = await screen.findByRole('combobox');
  await fireEvent.keyDown(field, { key: 'ArrowDown' });
  expect(screen.getByRole('option', { selected: true }).textContent).toContain('Second');
  await fireEvent.keyDown(field, { key: 'Enter' });
  expect(failing).toHaveBeenCalledOnce();
  await vi.waitFor(() => {
    expect(onerror).toHaveBeenCalledWith(error);
  });
});
