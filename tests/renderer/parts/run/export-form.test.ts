/** @file The export form: what is chosen is what is asked, and an ONNX file has no element type to choose. */
import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { ExportEvent, RunCard } from '../../../../src-main/contract/schema.ts';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import ExportForm from '../../../../src-renderer/parts/run/export-form.svelte';

afterEach(cleanup);

function shown(files: readonly string[]) {
  const startExport = vi.fn(() => Promise.resolve({ id: 'job' }));
  async function* followExport(): AsyncGenerator<ExportEvent> {
    await Promise.resolve();
    yield { at: 'done', dir: '/home/exports/r', files, bytes: 10, maxLogit: 1e-6, device: 'cpu' };
  }
  const card = { id: 'r', dir: '/r', name: 'r', settings: trainingDefaults } as unknown as RunCard;
  const service = {
    startExport,
    followExport,
    browse: () => Promise.resolve({ path: '/', parent: null, entries: [] }),
    cancelJob: vi.fn(),
  };
  render(ExportForm, {
    card,
    home: '/home',
    savedStep: 7,
    service: service as never,
    reconnected: () => Promise.resolve(),
  });
  return startExport;
}

it('asks for a folder for transformers', async () => {
  const asked = shown(['model.safetensors']);
  await fireEvent.submit(screen.getByRole('button', { name: 'Export' }).closest('form')!);
  expect(asked).toHaveBeenCalledWith({
    run: 'r',
    out: '/home/exports/r-step-7',
    dtype: 'keep',
    weights: 'raw',
    format: 'safetensors',
  });
  expect(await screen.findByText('Push it to the Hub')).toBeTruthy();
});

it('asks for an ONNX file, which is nothing to open here', async () => {
  const asked = shown(['model.onnx', 'model.onnx.data']);
  expect(screen.getByLabelText('Element type')).toBeTruthy();
  await fireEvent.change(screen.getByLabelText('For'), { target: { value: 'onnx' } });
  expect(screen.queryByLabelText('Element type')).toBe(null);
  await fireEvent.submit(screen.getByRole('button', { name: 'Export' }).closest('form')!);
  expect(asked).toHaveBeenCalledWith({
    run: 'r',
    out: '/home/exports/r-step-7-onnx',
    dtype: 'keep',
    weights: 'raw',
    format: 'onnx',
  });
  expect(await screen.findByText('Exported and checked.')).toBeTruthy();
  expect(screen.queryByText('Push it to the Hub')).toBe(null);
});
