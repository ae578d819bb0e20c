import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import RunningList from '../../../../src-renderer/parts/shell/running-list.svelte';

afterEach(cleanup);

it('is empty without jobs and runs, and cancels a job', async () => {
  const oncancel = vi.fn();
  const { container, rerender } = render(RunningList, {
    runs: [],
    jobs: [],
    oncancel,
    onpause: vi.fn(),
    onpausedownload: vi.fn(),
  });
  expect(container.textContent).toBe('');
  await rerender({ jobs: [{ id: 'j', kind: 'grow', title: 'stories', state: 'running', started: '' }] });
  await fireEvent.click(screen.getByRole('button', { name: /Cancel/ }));
  expect(oncancel).toHaveBeenCalledWith('j');
});
