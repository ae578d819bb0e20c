import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { Folder } from '../../../../src-main/contract/schema.ts';
import PathField from '../../../../src-renderer/parts/form/path-field.svelte';

afterEach(() => {
  cleanup();
  Reflect.deleteProperty(window, 'cambium');
});

const entry = (path: string): Folder['entries'][number] => ({
  name: path.split('/').pop()!,
  path,
  folder: true,
  bytes: 0,
  checkpoint: false,
});
const folders: Readonly<Record<string, readonly string[]>> = {
  '/home/me': ['/home/me/models', '/home/me/.cache'],
  '/home/me/.cache': ['/home/me/.cache/huggingface'],
};
const browse = vi.fn((dir = '/home/me'): Promise<Folder> => {
  const names = folders[dir];
  if (!names) return Promise.reject(new Error(`there is no ${dir}`));
  return Promise.resolve({ path: dir, parent: '/', entries: names.map(entry) });
});
const props = { label: 'Data folder', pick: 'folder' as const, browse, value: '' };
const namesOf = (): (string | null)[] =>
  screen
    .getAllByRole('listitem', { hidden: true })
    .map((item) => item.textContent)
    .map((text) => text?.trim() ?? '');

it('shows hidden folders on request, and goes to a typed path', async () => {
  render(PathField, props);
  await fireEvent.click(screen.getByRole('button', { name: 'Browse for data folder' }));
  await vi.waitFor(() => expect(namesOf()).toEqual(['models/']));
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Hidden folders and files (1)', hidden: true }));
  expect(namesOf()).toEqual(['models/', '.cache/']);
  const path = screen.getByRole('textbox', { name: 'Path', hidden: true }) as HTMLInputElement;
  expect(path.value).toBe('/home/me');
  await fireEvent.input(path, { target: { value: '/home/me/.cache' } });
  await fireEvent.submit(path.form!);
  await vi.waitFor(() => expect(namesOf()).toEqual(['huggingface/']));
  await fireEvent.click(screen.getByRole('button', { name: 'Use this folder', hidden: true }));
  expect((screen.getByRole('textbox', { name: 'Data folder' }) as HTMLInputElement).value).toBe(
    '/home/me/.cache',
  );
});

it('uses the dialog of the system in the desktop app', async () => {
  const choosePath = vi.fn(() => Promise.resolve<string | null>('/chosen'));
  Object.defineProperty(window, 'cambium', { value: { choosePath }, configurable: true });
  browse.mockClear();
  render(PathField, { ...props, value: '/home/me/out' });
  const field = screen.getByRole('textbox', { name: 'Data folder' }) as HTMLInputElement;
  await fireEvent.click(screen.getByRole('button', { name: 'Browse for data folder' }));
  await vi.waitFor(() => expect(field.value).toBe('/chosen'));
  expect(choosePath).toHaveBeenCalledWith('folder', 'Choose data folder', '/home/me');
  choosePath.mockResolvedValueOnce(null);
  await fireEvent.click(screen.getByRole('button', { name: 'Browse for data folder' }));
  expect(field.value).toBe('/chosen');
  expect(browse).not.toHaveBeenCalled();
});
