import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../../src-main/base/errors.ts';
import type { CertifyEvent } from '../../../../src-main/contract/schema.ts';
import CertifyForm from '../../../../src-renderer/parts/growth/certify-form.svelte';
import { certificate } from '../../fake/models.ts';

afterEach(cleanup);

const common = {
  source: 'small',
  grown: 'large',
  browse: () => Promise.resolve({ path: '/', parent: null, entries: [] }) as never,
};
const fill = (label: string, value: string): Promise<unknown> =>
  fireEvent.input(screen.getByLabelText(label), { target: { value } });
const submit = async (): Promise<void> => {
  await fireEvent.submit(screen.getByRole('button', { name: 'Compare' }).closest('form')!);
};

it('compares on the text and the tokens that are asked for, and offers the certificate as files', async () => {
  const certify = vi.fn(async function* (_request: object): AsyncGenerator<CertifyEvent> {
    await Promise.resolve();
    yield { type: 'done', certificate };
  });
  const onsave = vi.fn();
  render(CertifyForm, { ...common, certify, onsave });
  await fill('Text to compare on', '/corpus.txt');
  await fill('Tokens, at most', '2M');
  await submit();
  expect(certify.mock.calls[0]).toEqual([
    { text: { data: ['/corpus.txt'], tokens: 2_000_000 }, save: false },
    expect.any(AbortSignal),
  ]);
  expect(await screen.findByRole('button', { name: 'Download HTML' })).toBeTruthy();
  expect(onsave).not.toHaveBeenCalled();

  await fill('Context length', '64');
  await fireEvent.click(screen.getByLabelText('Replace the certificate in growth.json'));
  await submit();
  expect(certify.mock.calls[1]![0]).toMatchObject({ text: { contextLength: 64 }, save: true });
  await vi.waitFor(() => {
    expect(onsave).toHaveBeenCalledWith(certificate);
  });
});

it('shows the tokens and the time that are left, and can be cancelled', async () => {
  let wasAborted = false;
  async function* certify(_: unknown, signal: AbortSignal): AsyncGenerator<CertifyEvent> {
    yield { type: 'progress', what: 'comparing', done: 250_000, of: 1_000_000, seconds: 60 };
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    });
    wasAborted = true;
    throw new AppError('cancelled', { what: 'comparing' });
  }
  render(CertifyForm, { ...common, certify, onsave: vi.fn() });
  await fill('Text to compare on', '/corpus.txt');
  await submit();
  const detail = await screen.findByText(/of 1.000.000 tokens/);
  expect(detail.textContent).toContain('3 min 00 s left');
  expect(screen.getByText('25 %')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(wasAborted).toBe(true);
  expect(screen.queryByRole('alert')).toBeNull();
});

it('refuses numbers that are none, and shows why a comparison fails', async () => {
  const certify = vi.fn(async function* (): AsyncGenerator<CertifyEvent> {
    await Promise.resolve();
    yield { type: 'progress', what: 'tokenizing', done: 0, of: 1, seconds: 0 };
    throw new AppError('file/not-found', { path: '/nowhere' });
  });
  render(CertifyForm, { ...common, certify, onsave: vi.fn() });
  await fill('Text to compare on', '/nowhere');
  for (const [label, value] of [
    ['Tokens, at most', 'many'],
    ['Tokens, at most', '0'],
    ['Context length', '1'],
  ] as const) {
    await fill('Tokens, at most', '1M');
    await fill(label, value);
    expect(screen.getByRole('alert').textContent).toMatch(/whole number/);
    await submit();
  }
  expect(certify).not.toHaveBeenCalled();
  await fill('Context length', '');
  await submit();
  expect((await screen.findByRole('alert')).textContent).toContain('/nowhere');
});
