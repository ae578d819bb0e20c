import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { methods } from '../../../../src-main/growth/methods/index.ts';
import { trainingDefaults, trainingOptions } from '../../../../src-main/train/settings.ts';
import OptionForm from '../../../../src-renderer/parts/form/option-form.svelte';

afterEach(cleanup);
const growthOptions = methods.get('hypercloning')!.options;

it('shows every training setting with its label and help', () => {
  render(OptionForm, {
    options: trainingOptions,
    values: { ...trainingDefaults } as never,
    onchange: vi.fn(),
  });
  for (const option of trainingOptions) {
    expect(screen.getByLabelText(option.label), option.id).toBeTruthy();
    expect(screen.getAllByText(option.help, { exact: false }).length).toBeGreaterThan(0);
  }
  expect((screen.getByLabelText('Learning rate') as HTMLInputElement).value).toBe('3e-4');
});

it('passes valid values on and shows what is wrong with others', async () => {
  const onchange = vi.fn();
  render(OptionForm, { options: trainingOptions, values: {}, onchange });
  const field = screen.getByLabelText('Micro-batch size') as HTMLInputElement;
  await fireEvent.input(field, { target: { value: '16' } });
  expect(onchange).toHaveBeenLastCalledWith('microBatch', 16);
  await fireEvent.input(field, { target: { value: '1.5' } });
  expect(onchange).toHaveBeenCalledTimes(1);
  expect(screen.getByRole('alert').textContent).toBe('Enter a whole number');
  expect(field.getAttribute('aria-invalid')).toBe('true');
  expect(field.validationMessage).not.toBe('');
});

it('has a checkbox to turn off a number that may be absent', async () => {
  const onchange = vi.fn();
  render(OptionForm, { options: growthOptions, values: {}, onchange });
  await fireEvent.click(screen.getByLabelText('none'));
  expect(onchange).toHaveBeenLastCalledWith('noise', null);
});

it('offers the values of a choice', async () => {
  const onchange = vi.fn();
  render(OptionForm, { options: growthOptions, values: {}, onchange });
  await fireEvent.change(screen.getByLabelText('Spread'), { target: { value: 'diagonal' } });
  expect(onchange).toHaveBeenLastCalledWith('variant', 'diagonal');
});
