import { cleanup, fireEvent, render, screen, within } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { DeviceQueue, QueueEntry } from '../../../../src-main/contract/queue.ts';
import QueueList from '../../../../src-renderer/parts/run/queue-list.svelte';

afterEach(cleanup);

const entry = (name: string, kind: QueueEntry['kind'] = 'run'): QueueEntry => ({
  kind,
  dir: `/runs/${name}`,
  name,
  added: '2026-11-01T00:00:00.000Z',
});
const queues: readonly DeviceQueue[] = [
  { device: 'cpu', isHeld: false, waiting: [entry('a'), entry('b')] },
  {
    device: 'cuda',
    isHeld: true,
    waiting: [{ ...entry('c'), error: { code: 'run/not-found', detail: { run: '/runs/c' } } }],
  },
];

function renderQueue(isConnected = true) {
  const calls = {
    onmove: vi.fn(() => Promise.resolve()),
    onstart: vi.fn(),
    onremove: vi.fn(),
    onhold: vi.fn(),
  };
  render(QueueList, { queues, isConnected, ...calls });
  return calls;
}
const button = (name: string): HTMLButtonElement => screen.getByRole('button', { name });

it('lists the runs of each device in their order, and why one is passed over', () => {
  renderQueue();
  const cpu = screen.getByRole('group', { name: 'Waiting for CPU' });
  expect(
    within(cpu)
      .getAllByRole('link')
      .map((link) => link.textContent),
  ).toEqual(['a', 'b']);
  const cuda = screen.getByRole('group', { name: 'Waiting for CUDA' });
  within(cuda).getByText('held: no waiting run starts');
  within(cuda).getByText(/^Passed over\. There is no run/);
});

it('moves, starts and removes runs, and holds a device', async () => {
  const { onmove, onstart, onremove, onhold } = renderQueue();
  expect(button('Move a up').disabled).toBe(true);
  expect(button('Move b down').disabled).toBe(true);
  await fireEvent.click(button('Move b up'));
  expect(onmove).toHaveBeenCalledWith('/runs/b', 'up');
  await fireEvent.click(button('Start now: a'));
  expect(onstart).toHaveBeenCalledWith('/runs/a');
  await fireEvent.click(button('Remove a from the queue'));
  expect(onremove).toHaveBeenCalledWith('/runs/a');
  await fireEvent.click(button('Hold the queue of CPU'));
  expect(onhold).toHaveBeenCalledWith('cpu', true);
  await fireEvent.click(button('Release the queue of CUDA'));
  expect(onhold).toHaveBeenCalledWith('cuda', false);
});

it('can do nothing while the server cannot be reached', () => {
  renderQueue(false);
  for (const one of screen.getAllByRole<HTMLButtonElement>('button')) expect(one.disabled).toBe(true);
});

it('links a bake-off and a tuning to their pages, and starts only runs', () => {
  const waiting = [entry('a', 'bakeoff'), entry('b', 'tuning')];
  const calls = {
    onmove: vi.fn(() => Promise.resolve()),
    onstart: vi.fn(),
    onremove: vi.fn(),
    onhold: vi.fn(),
  };
  render(QueueList, { queues: [{ device: 'cpu', isHeld: false, waiting }], isConnected: true, ...calls });
  expect(screen.getByRole('link', { name: 'a' }).getAttribute('href')).toContain('bakeoff');
  expect(screen.getByRole('link', { name: 'b' }).getAttribute('href')).toContain('tuning');
  expect(screen.queryByRole('button', { name: /Start now/ })).toBeNull();
  expect(screen.getAllByRole('button', { name: /Remove/ })).toHaveLength(2);
});
