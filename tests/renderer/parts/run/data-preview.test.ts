import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../../src-main/base/errors.ts';
import type { PreviewEvent, TextPreview } from '../../../../src-main/contract/text.ts';
import DataPreview from '../../../../src-renderer/parts/run/data-preview.svelte';

afterEach(cleanup);

const counts = { files: 2, documents: 1200, tokens: 90_000, bytes: 400_000 };
const found: TextPreview = {
  ...counts,
  tokenizer: { type: 'BPE', vocabSize: 1024 },
  leftOut: { missing: 1, empty: 0 },
  items: [
    {
      path: '/data/books',
      ...counts,
      share: 1,
      leftOutFiles: [{ why: 'another format', names: ['readme.pdf'] }],
    },
  ],
  first: { file: '/data/books/a.txt', text: 'Once upon', ids: [5, 6], tokens: ['Once', ' upon'] },
  isPartial: false,
  notes: [],
};
const click = (name: string): Promise<unknown> => fireEvent.click(screen.getByRole('button', { name }));

it('shows what training would read, what is left out and why, and the first tokens', async () => {
  const preview = vi.fn(async function* (): AsyncGenerator<PreviewEvent> {
    await Promise.resolve();
    yield { type: 'bytes', done: 1, of: 2 };
    yield { type: 'done', preview: found };
  });
  const { rerender } = render(DataPreview, { data: ['/data/books'], preview });
  await click('Preview data');
  expect(preview.mock.calls[0]).toMatchObject([{ data: ['/data/books'] }, expect.any(AbortSignal)]);
  const row = (await screen.findByRole('rowheader', { name: '/data/books' })).closest('tr')!;
  const cells = [...row.querySelectorAll('td')].map((cell) => cell.textContent.replaceAll('\u202f', ''));
  expect(cells).toEqual(['2', '1200', '90000', '400 kB', '100.0 %']);
  expect(screen.getByText('Left out: 1 record without the field.')).toBeTruthy();
  expect(screen.getByText('Left out of /data/books: 1 file, another format (readme.pdf).')).toBeTruthy();
  expect(screen.getByText('Once upon')).toBeTruthy();
  expect(screen.getByTitle('6').textContent).toBe(' upon');
  await rerender({ data: ['/data/other'], preview });
  expect(screen.queryByRole('table')).toBeNull();
});

it('shows its progress, and can be cancelled', async () => {
  let wasAborted = false;
  async function* preview(_: unknown, signal: AbortSignal): AsyncGenerator<PreviewEvent> {
    yield { type: 'bytes', done: 500, of: 1000 };
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    });
    wasAborted = true;
    throw new AppError('cancelled', { what: 'reading' });
  }
  render(DataPreview, { data: ['/data/books'], preview });
  await click('Preview data');
  expect(await screen.findByText('50 %')).toBeTruthy();
  await click('Cancel preview');
  expect(wasAborted).toBe(true);
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.getByRole('button', { name: 'Preview data' })).toBeTruthy();
});

it('shows why the data cannot be read, and needs data', async () => {
  async function* preview(): AsyncGenerator<PreviewEvent> {
    await Promise.resolve();
    yield { type: 'bytes', done: 0, of: 1 };
    throw new AppError('file/not-found', { path: '/nowhere' });
  }
  const { rerender } = render(DataPreview, { data: ['/nowhere'], preview });
  await click('Preview data');
  expect((await screen.findByRole('alert')).textContent).toContain('/nowhere');
  await rerender({ data: [], preview });
  expect(screen.getByRole('button', { name: 'Preview data' }).hasAttribute('disabled')).toBe(true);
});
