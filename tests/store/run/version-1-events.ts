/** @file Events of runs, as version 1 and version 2 write them. */
import type { RunEvent } from '../../../src-main/train/run.ts';

export const time = '2026-11-29T12:19:49.619Z';

/** Events that version 1 did not have. */
type SinceVersion1 = 'early-stopped';

/** An event of every other type, in version 1 and in version 2. */
export const eventPairs: {
  readonly [T in Exclude<RunEvent['type'], SinceVersion1>]: readonly [
    old: object,
    event: RunEvent & { type: T },
  ];
} = {
  preparing: [
    { at: 'preparing', what: 'reading the text', done: 5, of: 8 },
    { type: 'preparing', what: 'reading the text', done: 5, of: 8 },
  ],
  started: [
    {
      at: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'AMD EPYC',
      memory: 2 ** 34,
      parameters: 23_136,
      steps: 24,
      trainTokens: 4530,
      heldOutTokens: 92,
      carried: 200,
      time,
    },
    {
      type: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'AMD EPYC',
      memory: 2 ** 34,
      parameters: 23_136,
      steps: 24,
      trainTokens: 4530,
      heldOutTokens: 92,
      momentUpdates: 200,
      time,
    },
  ],
  step: [
    { at: 'step', step: 1, lr: 0.1, loss: 6, norm: 1.5, ratio: 0.01, kl: 0.2, tokens: 32, seconds: 3 },
    {
      type: 'step',
      step: 1,
      lr: 0.1,
      loss: 6,
      gradNorm: 1.5,
      updateRatio: 0.01,
      kl: 0.2,
      tokens: 32,
      seconds: 3,
    },
  ],
  skipped: [
    { at: 'skipped', step: 2, what: 'gradient norm', value: 9, limit: 4 },
    { type: 'skipped', step: 2, what: 'gradient norm', value: 9, limit: 4 },
  ],
  'rolled-back': [
    { at: 'rolled-back', step: 8, from: 12, time },
    { type: 'rolled-back', step: 8, from: 12, time },
  ],
  rescheduled: [
    { at: 'rescheduled', step: 8, steps: 12, time },
    { type: 'rescheduled', step: 8, steps: 12, time },
  ],
  grown: [
    {
      at: 'grown',
      step: 8,
      stage: 2,
      reason: 'tokens',
      method: 'identity',
      parametersBefore: 10,
      parameters: 20,
      lossBefore: 4,
      lossAfter: 4,
      certificate: { promise: 'function-preserving', verdict: 'passed', maxLogit: 0, tolerance: 1e-4, kl: 0 },
      tokens: 256,
      flops: 1e9,
      flopsPerToken: 8e6,
      steps: 24,
      seconds: 2,
      source: '/run/stages/step-000008',
      time,
    },
    {
      type: 'grown',
      step: 8,
      stage: 2,
      reason: 'tokens',
      method: 'identity',
      parametersBefore: 10,
      parameters: 20,
      lossBefore: 4,
      lossAfter: 4,
      certificate: { promise: 'function-preserving', verdict: 'passed', maxLogit: 0, tolerance: 1e-4, kl: 0 },
      tokens: 256,
      flops: 1e9,
      flopsPerToken: 8e6,
      steps: 24,
      seconds: 2,
      source: '/run/stages/step-000008',
      time,
    },
  ],
  slope: [
    { at: 'slope', step: 64, fall: 0.02, low: 0.01, high: 0.03 },
    { type: 'slope', step: 64, fall: 0.02, low: 0.01, high: 0.03 },
  ],
  evaluated: [
    { at: 'evaluated', step: 8, loss: 5, tokens: 80 },
    { type: 'evaluated', step: 8, loss: 5, tokens: 80 },
  ],
  averaged: [
    { at: 'averaged', step: 8, which: 'ema', loss: 5, tokens: 80 },
    { type: 'averaged', step: 8, weights: 'ema', loss: 5, tokens: 80 },
  ],
  asymmetry: [
    { at: 'asymmetry', step: 8, value: 0.01 },
    { type: 'asymmetry', step: 8, value: 0.01 },
  ],
  sample: [
    { at: 'sample', step: 8, prompt: 'the cat', text: ' sat' },
    { type: 'sample', step: 8, prompt: 'the cat', text: ' sat' },
  ],
  saved: [
    { at: 'saved', step: 8, dir: '/run/checkpoints/step-000008' },
    { type: 'saved', step: 8, dir: '/run/checkpoints/step-000008' },
  ],
  usage: [
    {
      at: 'reading',
      step: 8,
      seconds: 4,
      memory: 2 ** 27,
      watts: 8,
      utilisation: 0.5,
      temperature: 61,
      energy: 1e-6,
      power: 'assumed',
      money: 1e-7,
    },
    {
      type: 'usage',
      step: 8,
      seconds: 4,
      memory: 2 ** 27,
      watts: 8,
      utilisation: 0.5,
      temperature: 61,
      energy: 1e-6,
      powerSource: 'assumed',
      cost: 1e-7,
    },
  ],
  measured: [
    { at: 'measured', step: 20, stepSeconds: 1, told: 0.5, secondsLeft: 80 },
    { type: 'measured', step: 20, stepSeconds: 1, estimated: 0.5, secondsLeft: 80 },
  ],
  budget: [
    { at: 'budget', step: 16, what: 'money', limit: 1, spent: 1.5 },
    { type: 'budget', step: 16, what: 'cost', limit: 1, spent: 1.5 },
  ],
  stopped: [
    { at: 'stopped', step: 16, reason: 'asked', time },
    { type: 'stopped', step: 16, reason: 'requested', time },
  ],
};
