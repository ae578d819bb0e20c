import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import type { RunEvent, RunSummary } from '../../../../src-main/contract/schema.ts';
import type { CostRecord } from '../../../../src-main/cost/record.ts';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import RunCost from '../../../../src-renderer/parts/cost/run-cost.svelte';
import { measuredCpu } from '../../../cost/subjects.ts';
import { createView } from '../../views.ts';

afterEach(cleanup);

/** 50 of 100 steps, at one second each. */
const events: readonly RunEvent[] = [
  {
    type: 'started',
    step: 0,
    device: 'cpu',
    deviceName: 'Chip',
    parameters: 1,
    steps: 100,
    trainTokens: 1,
    heldOutTokens: 0,
    time: '',
  },
  ...Array.from({ length: 50 }, (_, i): RunEvent => ({
    type: 'step',
    step: i + 1,
    loss: 2 + 3 / Math.sqrt(i + 1),
    lr: 1,
    gradNorm: 1,
    tokens: 512 * (i + 1),
    seconds: 1,
  })),
  { type: 'measured', step: 20, stepSeconds: 1, estimated: 0.8, secondsLeft: 80 },
  {
    type: 'usage',
    step: 50,
    seconds: 50,
    memory: 4e8,
    watts: 60,
    utilisation: 1.9,
    temperature: null,
    energy: 0.002,
    powerSource: 'assumed',
    cost: 0.05,
  },
];
const record: CostRecord = {
  version: 2,
  time: '2026-11-21T08:00:00Z',
  device: measuredCpu.id,
  kind: 'cpu',
  precision: 'float32',
  price: { value: 3.6, unit: 'hour', source: 'your price', time: '2026-11-21T08:00:00Z' },
  assumptions: {} as never,
  estimate: {
    stepSeconds: 0.8,
    uncorrectedStepSeconds: 0.8,
    seconds: { low: 1, likely: 2, high: 3 },
    memory: 4e8,
    uncorrectedMemory: 4e8,
  },
};

it('shows the whole of a stopped run instead of its last readings', () => {
  const run = { settings: trainingDefaults, steps: 50, seconds: 50 } as RunSummary;
  const stopped = createView([
    ...events.map((event) => (event.type === 'started' ? { ...event, steps: 50 } : event)),
    { type: 'stopped', step: 50, reason: 'finished', time: '' },
  ]);
  render(RunCost, { view: stopped, run, state: 'finished', forecast: undefined, record });
  const text = screen.getByTestId('run-cost').textContent!.replace(/\s+/g, ' ');
  // 0.002 kWh in 50 s.
  expect(text).toContain('Average power 144 W');
  expect(text).toContain('Most memory 400 MB');
  expect(text).not.toContain('CPU use');
  expect(text).toMatch(/Final loss 2\.\d+ smoothed/);
});

it('shows the cost so far and remaining, the actual step time against the estimate, and the budget', () => {
  const run = { settings: { ...trainingDefaults, budgetCost: 2 }, steps: 100 } as RunSummary;
  render(RunCost, { view: createView(events), run, state: 'running', forecast: undefined, record });
  const text = screen.getByTestId('run-cost').textContent!.replace(/\s+/g, ' ');
  expect(text).toContain('$0.05 about $0.05 remaining');
  expect(text).toContain('no sensor: estimated');
  expect(text).toMatch(/Step time: 0.8 s estimated, 1.0 s actual \(25 % more than estimated\)/);
  expect(text).toContain('The run stops at $2.00');
});
