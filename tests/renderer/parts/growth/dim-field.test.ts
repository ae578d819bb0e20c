import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import DimField from '../../../../src-renderer/parts/growth/dim-field.svelte';

afterEach(cleanup);

it('sets a size by slider and by number, and resets it', async () => {
  const onchange = vi.fn();
  const stops = [64, 128, 192];
  render(DimField, { axis: 'hidden', from: 64, value: 128, isChosen: true, stops, onchange });
  const slider = screen.getByRole('slider') as HTMLInputElement;
  expect(slider.value).toBe('1');
  await fireEvent.input(slider, { target: { value: '2' } });
  expect(onchange).toHaveBeenLastCalledWith('hidden', 192);
  await fireEvent.input(screen.getByRole('spinbutton'), { target: { value: '100' } });
  expect(onchange).toHaveBeenLastCalledWith('hidden', 100);
  await fireEvent.click(screen.getByRole('button', { name: /Auto/ }));
  expect(onchange).toHaveBeenLastCalledWith('hidden', undefined);
});
