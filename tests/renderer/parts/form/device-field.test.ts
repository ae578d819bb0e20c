/**
 * @file The device field says which device `auto` would take, and that is never one which the processor only
 * plays.
 */
import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import DeviceField from '../../../../src-renderer/parts/form/device-field.svelte';

const card = (
  id: 'cpu' | 'webgpu' | 'cuda',
  more: { available?: boolean; software?: boolean; why?: string } = {},
) => ({ id, name: id.toUpperCase(), available: true, memory: null, free: null, ...more });
const shown = (devices: ReturnType<typeof card>[], value: 'auto' | 'cuda' = 'auto'): void => {
  render(DeviceField, { devices, value, onchange: () => undefined });
};

it('names a real GPU before the processor', () => {
  shown([card('cpu'), card('webgpu'), card('cuda', { available: false })]);
  expect(screen.getByRole('option', { name: 'Best available (WEBGPU)' })).toBeTruthy();
  expect(screen.getByRole<HTMLOptionElement>('option', { name: 'CUDA – not available' }).disabled).toBe(true);
});

it('passes over a simulated one, which can still be chosen', () => {
  shown([card('cpu'), card('webgpu', { software: true })]);
  expect(screen.getByRole('option', { name: 'Best available (CPU)' })).toBeTruthy();
  expect(screen.getByRole<HTMLOptionElement>('option', { name: 'WEBGPU – simulated, slow' }).disabled).toBe(
    false,
  );
});

it('says why the chosen one cannot be used', () => {
  shown([card('cpu'), card('cuda', { available: false, why: 'no driver' })], 'cuda');
  expect(screen.getByText('no driver')).toBeTruthy();
});
