import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import Notice from '../../../src-renderer/parts/notice.svelte';

afterEach(cleanup);

it('shows an error and its remedy', () => {
  render(Notice, {
    error: {
      code: 'growth/not-a-multiple',
      detail: { axis: 'hidden', from: 64, to: 100, nearest: [64, 128] },
    },
  });
  expect(screen.getByRole('alert').textContent).toContain('Hidden 64 → 100 is not a whole multiple.');
  expect(screen.getByRole('alert').textContent).toContain('The nearest possible hidden is 64 or 128');
});
