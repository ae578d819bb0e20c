import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import RunSummary from '../../../../src-renderer/parts/run/run-summary.svelte';
import { createRunSummary, evaluatedRun } from '../../state/example-runs.ts';

afterEach(cleanup);

const props = { view: evaluatedRun, run: createRunSummary('a'), forecast: undefined, target: undefined };

it('says that a loss and a cost are of the whole run once it has finished', async () => {
  const { rerender } = render(RunSummary, { props: { ...props, state: 'paused' } });
  expect(screen.getByText('the best so far')).toBeTruthy();
  expect(screen.getByText('so far')).toBeTruthy();
  await rerender({ ...props, state: 'finished' });
  expect(screen.getByText('the best')).toBeTruthy();
  expect(screen.getByText('in all')).toBeTruthy();
});
