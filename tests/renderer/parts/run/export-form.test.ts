import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { ExportEvent, RunSummary } from '../../../../src-main/contract/schema.ts';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import ExportForm from '../../../../src-renderer/parts/run/export-form.svelte';

afterEach(cleanup);

const dims = {
  vocab: 64,
  hidden: 32,
  kv_heads: 2,
  group: 2,
  head_dim: 8,
  ffn: 64,
  layers: 2,
  positions: 64,
  heads: 4,
};
/** What `openRun` says of a run of each family. */
const summaryOf = (family: string) => ({
  family,
  dims,
  settings: { activation: 'silu', tied: true, positions: 64, eps: 1e-5 },
});

/** Renders the form of a run whose export has these files. Returns the mock that starts an export. */
function renderForm(files: readonly string[], family = 'llama') {
  const startExport = vi.fn(() => Promise.resolve({ id: 'job' }));
  async function* followExport(): AsyncGenerator<ExportEvent> {
    await Promise.resolve();
    yield { type: 'done', dir: '/home/exports/r', files, bytes: 10, maxLogit: 1e-6, device: 'cpu' };
  }
  const run = { id: 'r', dir: '/r', name: 'r', settings: trainingDefaults } as unknown as RunSummary;
  const service = {
    startExport,
    followExport,
    listFolder: () => Promise.resolve({ path: '/', parent: null, entries: [] }),
    openRun: () => Promise.resolve(summaryOf(family)),
    cancelJob: vi.fn(),
  };
  render(ExportForm, {
    run,
    folder: '/home/exports',
    savedStep: 7,
    onnewest: () => undefined,
    service: service as never,
    reconnected: () => Promise.resolve(),
  });
  return startExport;
}

it('exports a folder for transformers', async () => {
  const startExport = renderForm(['config.json', 'model.safetensors']);
  await fireEvent.submit(screen.getByRole('button', { name: 'Export' }).closest('form')!);
  expect(startExport).toHaveBeenCalledWith({
    run: 'r',
    out: '/home/exports/r-step-7',
    dtype: 'keep',
    weights: 'raw',
    format: 'safetensors',
  });
  expect(await screen.findByText('Push to the Hub')).toBeTruthy();
});

it('exports an ONNX file, without an element type and without links to open or push it', async () => {
  const startExport = renderForm(['config.json', 'model.onnx', 'model.onnx.data']);
  expect(screen.getByLabelText('Element type')).toBeTruthy();
  await fireEvent.change(screen.getByLabelText('Format'), { target: { value: 'onnx' } });
  expect(screen.queryByLabelText('Element type')).toBe(null);
  await fireEvent.submit(screen.getByRole('button', { name: 'Export' }).closest('form')!);
  expect(startExport).toHaveBeenCalledWith({
    run: 'r',
    out: '/home/exports/r-step-7-onnx',
    dtype: 'keep',
    weights: 'raw',
    format: 'onnx',
  });
  expect(await screen.findByText('Exported and verified.')).toBeTruthy();
  expect(screen.queryByText('Push to the Hub')).toBe(null);
});

it('exports a GGUF file of a type, with the size it will have', async () => {
  const startExport = renderForm(['README.md', 'model-q8_0.gguf']);
  await fireEvent.change(screen.getByLabelText('Format'), { target: { value: 'gguf' } });
  expect(screen.queryByLabelText('Element type')).toBe(null);
  const half = (await screen.findByText(/^About /)).textContent;
  await fireEvent.change(screen.getByLabelText('Weight type'), { target: { value: 'q8_0' } });
  expect((await screen.findByText(/^About /)).textContent).not.toBe(half);
  await fireEvent.submit(screen.getByRole('button', { name: 'Export' }).closest('form')!);
  expect(startExport).toHaveBeenCalledWith({
    run: 'r',
    out: '/home/exports/r-step-7-gguf',
    dtype: 'keep',
    weights: 'raw',
    format: 'gguf',
    ggufType: 'q8_0',
  });
  expect(await screen.findByText('Exported and verified.')).toBeTruthy();
  expect(screen.queryByText('Push to the Hub')).toBe(null);
});

it('says why there is no GGUF file of a model', async () => {
  renderForm([], 'opt');
  await fireEvent.change(screen.getByLabelText('Format'), { target: { value: 'gguf' } });
  expect(await screen.findByText(/no architecture for OPT/)).toBeTruthy();
});
