import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import StageTimeline from '../../../../src-renderer/parts/run/stage-timeline.svelte';
import { isResolved, StagesState } from '../../../../src-renderer/state/stages.svelte.ts';
import { createSummary, storiesConfig } from '../../fake/models.ts';

afterEach(cleanup);
const source = createSummary(storiesConfig, '/data/stories260K');
const settings = { ...trainingDefaults, tokens: 1_000_000, contextLength: 8 };

function renderTimeline(): StagesState {
  const stages = new StagesState();
  render(StageTimeline, { stages, source, settings });
  return stages;
}
const addGrowth = (): Promise<boolean> =>
  fireEvent.click(screen.getByRole('button', { name: 'Add a growth' })) as Promise<boolean>;

it('begins with a model that keeps its size', () => {
  const stages = renderTimeline();
  expect(stages.resolve(source, settings)).toBeUndefined();
  expect(screen.getByText(/keeps its size/)).toBeTruthy();
});

it('adds growths between the last one and the end, and shows the stages', async () => {
  const stages = renderTimeline();
  await addGrowth();
  const found = stages.resolve(source, settings);
  if (!isResolved(found)) throw new Error('the first growth is not possible');
  expect(found.stages[0]).toEqual({ until: { tokens: 500_000 } });
  expect(found.stages[1]!.grow).toHaveLength(1);
  expect(screen.getByRole('list', { name: 'Stages' }).children).toHaveLength(2);
});

it('grows at a plateau, by another method', async () => {
  const stages = renderTimeline();
  await addGrowth();
  await fireEvent.change(screen.getByLabelText(/^When/), { target: { value: 'plateau' } });
  await fireEvent.change(screen.getByLabelText(/^Method/), { target: { value: 'identity' } });
  const found = stages.resolve(source, settings);
  if (!isResolved(found)) throw new Error('the growth is not possible');
  expect(found.stages[0]).toEqual({ until: { plateau: 0.002 } });
  expect(found.stages[1]!.grow![0]).toMatchObject({
    method: 'identity',
    to: { layers: 2 * source.dims['layers']! },
  });
});

it('says in which stage something is impossible', async () => {
  renderTimeline();
  await addGrowth();
  await fireEvent.input(screen.getByLabelText(/^tokens of the run/), { target: { value: '2000000' } });
  expect(await screen.findByText(/stage 1: until has 2000000 tokens/i)).toBeTruthy();
});

it('removes a growth', async () => {
  const stages = renderTimeline();
  await addGrowth();
  await fireEvent.click(screen.getByRole('button', { name: 'Remove growth 1' }));
  expect(stages.drafts).toEqual([]);
});
