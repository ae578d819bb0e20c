import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import CertificateCard from '../../../../src-renderer/parts/growth/certificate-card.svelte';
import { certificate } from '../../fake/models.ts';

afterEach(cleanup);

it('shows that the function was preserved', () => {
  render(CertificateCard, { certificate });
  expect(screen.getByText('Function-preserving, as measured on this text')).toBeTruthy();
  expect(screen.getByText('2.1e-5')).toBeTruthy();
});

it('shows that the function was not preserved', () => {
  render(CertificateCard, { certificate: { ...certificate, maxLogit: 0.3, verdict: 'failed' } });
  expect(screen.getByText('The grown model is not what the plan promised')).toBeTruthy();
});
