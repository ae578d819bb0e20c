/** @file Events, summaries and views of short runs. */
import type { RunEvent, RunSummary } from '../../../src-main/contract/schema.ts';
import type { GrownEvent, StepEvent } from '../../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { createView } from '../views.ts';

export const started: RunEvent = {
  type: 'started',
  step: 0,
  device: 'cpu',
  deviceName: 'x',
  parameters: 1000,
  steps: 100,
  trainTokens: 1,
  heldOutTokens: 1,
  time: '',
};

/** A step of 10 tokens and 2 seconds. */
export const createStep = (step: number, loss: number): StepEvent => ({
  type: 'step',
  step,
  loss,
  lr: 1,
  gradNorm: 1,
  tokens: 10 * step,
  seconds: 2,
});

const createUsage = (step: number, energy: number, cost: number | null): RunEvent => ({
  type: 'usage',
  step,
  seconds: 2 * step,
  memory: 1,
  watts: 1,
  utilisation: null,
  temperature: null,
  energy,
  powerSource: 'rapl',
  cost,
});
const createEvaluation = (step: number, loss: number): RunEvent => ({
  type: 'evaluated',
  step,
  loss,
  tokens: 8,
});

/** Four steps with held-out losses, energy and cost. */
export const evaluatedRun = createView([
  started,
  createEvaluation(0, 5),
  ...[1, 2, 3, 4].map((step) => createStep(step, 5 - step)),
  createUsage(4, 0.4, 2),
  createEvaluation(4, 1),
]);
/** Two steps without anything else. */
export const shortRun = createView([started, ...[1, 2].map((step) => createStep(step, 3))]);

export const createRunSummary = (name: string, settings: Partial<TrainingSettings> = {}): RunSummary =>
  ({
    id: name,
    name,
    checkpoint: '/c',
    data: ['/t'],
    settings: { ...trainingDefaults, ...settings },
  }) as unknown as RunSummary;

/** The growth of a run after its second step of ten tokens. */
export const grownEvent: GrownEvent = {
  type: 'grown',
  step: 2,
  stage: 2,
  reason: 'plateau',
  method: 'identity',
  parametersBefore: 1000,
  parameters: 3000,
  lossBefore: 3.25,
  lossAfter: 3.5,
  certificate: { promise: 'function-preserving', verdict: 'passed', maxLogit: 0, tolerance: 1e-4, kl: 0 },
  tokens: 20,
  flops: 2000,
  flopsPerToken: 300,
  steps: 40,
  seconds: 2,
  source: '/run/stages/step-000002',
  time: '',
};
