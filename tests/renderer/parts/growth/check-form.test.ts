import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../../src-main/base/errors.ts';
import type { CheckResult } from '../../../../src-main/contract/schema.ts';
import CheckForm from '../../../../src-renderer/parts/growth/check-form.svelte';

afterEach(cleanup);

const result: CheckResult = {
  verdict: 'plausible',
  why: 'its loss 2.41 is below 5.03, which the frequencies of the tokens alone would give',
  text: 'a built-in English text',
  contextLength: 128,
  tokens: 1024,
  loss: 2.41,
  entropy: 2.38,
  uniform: 6.93,
  unigram: 5.03,
  byPosition: null,
  nonFinite: 0,
  device: 'cpu',
};
const browse = () => Promise.resolve({ path: '/', parent: null, entries: [] }) as never;
const submit = async (): Promise<void> => {
  await fireEvent.submit(screen.getByRole('button', { name: 'Check' }).closest('form')!);
};

it('checks on the built-in text, or on a file, and shows the losses', async () => {
  const check = vi.fn(() => Promise.resolve(result));
  render(CheckForm, { browse, check });
  await submit();
  expect(check.mock.calls[0]).toEqual([{}, expect.any(AbortSignal)]);
  expect(await screen.findByText('The loss is that of a trained model.')).toBeTruthy();
  expect(screen.getByText(/^5\.03/)).toBeTruthy();
  await fireEvent.input(screen.getByLabelText('Text to check on'), { target: { value: ' /a.txt ' } });
  await submit();
  expect(check.mock.calls[1]).toEqual([{ text: '/a.txt' }, expect.any(AbortSignal)]);
});

it('warns of a loss that no trained model has', async () => {
  const check = () => Promise.resolve({ ...result, verdict: 'implausible' as const, why: 'it is too sure' });
  render(CheckForm, { browse, check });
  await submit();
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toMatch(/may be read wrongly[^]*it is too sure/);
});

it('can be cancelled, and shows why a check fails', async () => {
  let isAborted = false;
  const check = (_: unknown, signal: AbortSignal): Promise<CheckResult> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        isAborted = true;
        reject(new AppError('cancelled', { what: 'checking' }));
      });
    });
  const { rerender } = render(CheckForm, { browse, check });
  await submit();
  await fireEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
  expect(isAborted).toBe(true);
  expect(await screen.findByRole('button', { name: 'Check' })).toBeTruthy();
  expect(screen.queryByRole('alert')).toBeNull();
  await rerender({
    browse,
    check: () => Promise.reject(new AppError('file/not-found', { path: '/nowhere' })),
  });
  await submit();
  expect((await screen.findByRole('alert')).textContent).toContain('/nowhere');
});
