import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import CertificateCard from '../../../../src-renderer/parts/growth/certificate-card.svelte';
import { certificate } from '../../fake/models.ts';

afterEach(cleanup);

it('shows that the function was preserved', () => {
  render(CertificateCard, { certificate });
  expect(screen.getByText('Function-preserving, as measured on this text')).toBeTruthy();
  expect(screen.getAllByText('2.1e-5')).not.toEqual([]);
});

it('shows that the function was not preserved', () => {
  render(CertificateCard, { certificate: { ...certificate, maxLogit: 0.3, verdict: 'failed' } });
  expect(screen.getByText('The grown model is not what the plan promised')).toBeTruthy();
});

it('shows the distribution, the losses by position, and the worst positions with their text', async () => {
  const { rerender } = render(CertificateCard, { certificate });
  expect(screen.getByRole('img', { name: /^Histogram of logit differences: ≤ 1e-7: 210 k; / })).toBeTruthy();
  expect(screen.getByRole('img', { name: /^Mean loss by position, 0 to 127: source / })).toBeTruthy();
  const rows = screen.getAllByRole('row').map((row) => row.textContent);
  expect(rows[1]).toContain('a little girl named Lily');
  await rerender({ certificate, isBrief: true });
  expect(screen.queryByRole('img')).toBeNull();
  expect(screen.queryByRole('row')).toBeNull();
});

it('marks differences above the tolerance, and knows none where nothing was promised', async () => {
  const histogram = { edges: [1e-5, 1e-3], counts: [9, 5, 2] };
  const { container, rerender } = render(CertificateCard, { certificate: { ...certificate, histogram } });
  expect(container.querySelectorAll('.isAbove')).toHaveLength(1);
  await rerender({ certificate: { ...certificate, histogram, promise: 'none', verdict: 'measured' } });
  expect(container.querySelectorAll('.isAbove')).toHaveLength(0);
});

it('labels the bins of the distribution with round numbers', () => {
  const histogram = { edges: [1e-4, 0.01, 1, 10], counts: [1, 2, 3, 0, 0] };
  render(CertificateCard, { certificate: { ...certificate, histogram } });
  const labels = screen.getAllByText(/^[≤>] [\d.e-]+$/).map((label) => label.textContent);
  expect(labels).toEqual(['≤ 1e-4', '≤ 0.01', '≤ 1', '≤ 10', '> 10']);
});
