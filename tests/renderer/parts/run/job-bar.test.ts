import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import JobBar from '../../../../src-renderer/parts/run/job-bar.svelte';

afterEach(cleanup);

it('is empty without jobs and runs, and cancels a job', async () => {
  const oncancel = vi.fn();
  const { container, rerender } = render(JobBar, {
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
