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

it('passes on every number, so that the plan can refuse it, and keeps what was typed until it is left', async () => {
  const onchange = vi.fn();
  const props = { axis: 'hidden', from: 64, isChosen: true, stops: [64, 128], onchange };
  const { rerender } = render(DimField, { ...props, value: 128 });
  const field = screen.getByRole('spinbutton') as HTMLInputElement;
  for (const text of ['0', '-5', '1.5']) {
    await fireEvent.input(field, { target: { value: text } });
    expect(onchange).toHaveBeenLastCalledWith('hidden', Number(text));
  }
  await rerender({ ...props, value: 1.5, isInvalid: true });
  expect([field.value, field.getAttribute('aria-invalid')]).toEqual(['1.5', 'true']);
  await fireEvent.input(field, { target: { value: '' } });
  expect(onchange).toHaveBeenLastCalledWith('hidden', undefined);
  await rerender({ ...props, value: 64 });
  expect(field.value).toBe('');
  await fireEvent.blur(field);
  expect(field.value).toBe('64');
});
