import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import UnreachableHost from '../../../src-renderer/parts/unreachable-host.svelte';
import { hostKey } from '../../../src-renderer/state/current-host.ts';

afterEach(cleanup);

it('says why a host cannot be reached, and leads back to this computer', async () => {
  sessionStorage.setItem(hostKey, 'box');
  const reload = vi.spyOn(location, 'reload').mockImplementation(() => undefined);
  const error = { code: 'remote/unreachable', detail: { host: 'box', why: 'no route to host' } } as const;
  render(UnreachableHost, { host: 'box', error });
  expect(screen.getByRole('heading', { name: 'box cannot be reached' })).toBeTruthy();
  expect(screen.getByRole('alert')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(sessionStorage.getItem(hostKey)).toBe('box');
  await fireEvent.click(screen.getByRole('button', { name: 'Back to this computer' }));
  expect(sessionStorage.getItem(hostKey)).toBeNull();
  expect(reload).toHaveBeenCalledTimes(2);
  reload.mockRestore();
});
