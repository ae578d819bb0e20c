/** @file The forms that read a text of the user's, from their pages to the service: the contract accepts them. */
import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { Service } from '../../../src-main/contract/service.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { grownDir } from '../fake/models.ts';
import { createFakeService } from '../fake/service.ts';

afterEach(cleanup);

function open(hash: string): Service {
  location.hash = hash;
  const fake = createFakeService(0);
  const service = {
    ...fake,
    previewText: vi.fn(fake.previewText),
    certify: vi.fn(fake.certify),
    checkCheckpoint: vi.fn(fake.checkCheckpoint),
  };
  render(App, { connection: connectTo(service) });
  return service;
}
const slow = { timeout: 10_000 };
const fill = async (name: string, value: string): Promise<void> => {
  await fireEvent.input(await screen.findByRole('textbox', { name }, slow), { target: { value } });
};
const requestOf = (call: unknown): unknown => vi.mocked(call as () => void).mock.calls[0]?.at(0 as never);

it('the train form previews its data', async () => {
  const { previewText } = open('#/train?dir=%2Fdata%2Fstories260K');
  await fill('Text', '/data/corpus.jsonl');
  await fireEvent.click(screen.getByRole('button', { name: 'Preview data' }));
  await screen.findByRole('rowheader', { name: '/data/corpus.jsonl' }, slow);
  expect(requestOf(previewText)).toEqual({ checkpoint: '/data/stories260K', data: ['/data/corpus.jsonl'] });
});

it('the page of a model checks it', async () => {
  const { checkCheckpoint } = open('#/checkpoint?dir=%2Fdata%2Fstories260K');
  const button = await screen.findByRole('button', { name: 'Check' }, slow);
  await fireEvent.submit(button.closest('form')!);
  await screen.findByText('The loss is that of a trained model.', {}, slow);
  expect(requestOf(checkCheckpoint)).toEqual({ dir: '/data/stories260K', device: 'auto' });
});

it('the page of a certificate compares on a text', async () => {
  const { certify } = open(`#/certificate?dir=${encodeURIComponent(grownDir)}`);
  await fill('Text to compare on', '/data/corpus.txt');
  const button = screen.getByRole('button', { name: 'Compare' });
  await fireEvent.submit(button.closest('form')!);
  await vi.waitFor(() => {
    expect(screen.getAllByRole('button', { name: 'Download HTML' })).toHaveLength(2);
  }, slow);
  expect(requestOf(certify)).toEqual({
    source: '/data/stories260K',
    grown: grownDir,
    text: { data: ['/data/corpus.txt'], tokens: 1_000_000 },
    save: false,
    device: 'auto',
  });
});
