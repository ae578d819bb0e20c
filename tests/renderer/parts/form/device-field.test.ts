import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import DeviceField from '../../../../src-renderer/parts/form/device-field.svelte';

const createDevice = (
  id: 'cpu' | 'webgpu' | 'cuda',
  more: { available?: boolean; software?: boolean; why?: string } = {},
) => ({ id, name: id.toUpperCase(), available: true, memory: null, free: null, ...more });
function renderField(devices: ReturnType<typeof createDevice>[], value: 'auto' | 'cuda' = 'auto'): void {
  render(DeviceField, { devices, value, onchange: () => undefined });
}

it('prefers a GPU to the CPU for automatic', () => {
  renderField([createDevice('cpu'), createDevice('webgpu'), createDevice('cuda', { available: false })]);
  expect(screen.getByRole('option', { name: 'Automatic (WEBGPU)' })).toBeTruthy();
  expect(screen.getByRole<HTMLOptionElement>('option', { name: 'CUDA – not available' }).disabled).toBe(true);
});

it('never uses an emulated GPU for automatic, but offers it', () => {
  renderField([createDevice('cpu'), createDevice('webgpu', { software: true })]);
  expect(screen.getByRole('option', { name: 'Automatic (CPU)' })).toBeTruthy();
  expect(
    screen.getByRole<HTMLOptionElement>('option', { name: 'WEBGPU – software emulation, slow' }).disabled,
  ).toBe(false);
});

it('shows why the chosen device is not available', () => {
  renderField([createDevice('cpu'), createDevice('cuda', { available: false, why: 'no driver' })], 'cuda');
  expect(screen.getByText('no driver')).toBeTruthy();
});
