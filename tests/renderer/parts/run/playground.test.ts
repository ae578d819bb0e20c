import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SampleEvent, SampleRequest } from '../../../../src-main/contract/schema.ts';
import Playground from '../../../../src-renderer/parts/run/playground.svelte';

afterEach(cleanup);

type Request = Omit<SampleRequest, 'from' | 'device'>;
const requests: Request[] = [];
beforeEach(() => {
  requests.length = 0;
});
async function* answer(request: Request): AsyncIterable<SampleEvent> {
  requests.push(request);
  await Promise.resolve();
  if (request.probabilities) {
    const top = [
      { text: ' acorn', probability: 0.5 },
      { text: ' oak', probability: 0.25 },
    ];
    yield { type: 'token', text: ' oak', probability: 0.25, top };
    yield { type: 'token', text: '!', probability: 1, top: [{ text: '!', probability: 1 }] };
  }
  yield { type: 'text', text: ' oak!' };
  yield { type: 'done', tokens: 2, seconds: 0.5, device: 'cpu' };
}
const type = (name: string, value: string): Promise<unknown> =>
  fireEvent.input(screen.getByRole('spinbutton', { name }), { target: { value } });
const generate = (): Promise<unknown> => fireEvent.click(screen.getByRole('button', { name: 'Generate' }));

it('sends only the settings that are on', async () => {
  render(Playground, { sample: answer });
  await generate();
  await vi.waitFor(() => expect(screen.getByTestId('sample-text').textContent).toContain('oak!'));
  expect(requests[0]).toEqual({ prompt: 'Once upon a time', tokens: 120, temperature: 0.8, seed: 0 });
  await type('Top-k', '40');
  await type('Min-p', '0.05');
  await type('Seed', '7');
  await generate();
  await vi.waitFor(() => expect(requests).toHaveLength(2));
  expect(requests[1]).toMatchObject({ topK: 40, minP: 0.05, seed: 7 });
  expect(requests[1]).not.toHaveProperty('topP');
});

it('offers the chat template only where the tokenizer has one', async () => {
  const { rerender } = render(Playground, { sample: answer });
  expect(screen.queryByRole('checkbox', { name: 'Chat template' })).toBeNull();
  await rerender({ sample: answer, canChat: true });
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Chat template' }));
  expect(screen.getByLabelText('Message')).toBeTruthy();
  await generate();
  await vi.waitFor(() => expect(requests[0]).toMatchObject({ chat: true }));
});

it('shows both models side by side, and the most likely tokens at a place', async () => {
  render(Playground, { sample: answer, reference: { label: 'source', sample: answer } });
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Compare with source' }));
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Token probabilities' }));
  await generate();
  await vi.waitFor(() => expect(screen.getAllByRole('option')).toHaveLength(4));
  const rowsOf = (): (string | null)[] =>
    [...screen.getAllByRole('table')[0]!.querySelectorAll('tr')].map((row) => row.textContent);
  expect(rowsOf()).toEqual([expect.stringContaining('␣acorn'), expect.stringContaining('␣oak')]);
  await fireEvent.keyDown(screen.getByRole('listbox', { name: 'Tokens of This model' }), { key: 'End' });
  expect(rowsOf()).toEqual([expect.stringMatching(/!.*100\.0 %/)]);
});
