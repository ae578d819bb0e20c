/** @file Errors of training runs, jobs and exports. */
import { formatQuantity } from '../format.ts';
import { listNames, type ErrorText } from './text.ts';

export const runErrors = {
  'run/not-found': (d: { run: string }): ErrorText => [
    `there is no run "${d.run}"`,
    'List the runs with cambium runs.',
  ],
  'run/damaged': (d: { run: string; why: string }): ErrorText => [
    `the run ${d.run} cannot be read: ${d.why}`,
    'Restore its folder from a backup, or start a new run.',
  ],
  'run/text-changed': (d: {
    run: string;
    data: readonly string[];
    before: number;
    now: number;
  }): ErrorText => [
    `the text of the run ${d.run} has changed: it was trained on ` +
      (d.before === d.now
        ? `other text with as many tokens (${d.before})`
        : `${d.before} tokens, and the text gives ${d.now} now`),
    `Restore the text as it was (${listNames(d.data, 3)}), or export the run and train the export on the new text.`,
  ],
  'run/already-running': (d: { run: string }): ErrorText => [
    `the run ${d.run} is already training`,
    'Follow it, or stop it first.',
  ],
  'run/taken-over': (d: { run: string }): ErrorText => [
    `another process has taken over the run ${d.run}, because this one gave no sign of life for two minutes`,
    'Follow it there; nothing of this session was saved since.',
  ],
  'run/damaged-lines': (d: { run: string; lines: number }): ErrorText => [
    `${d.lines} ${d.lines === 1 ? 'line' : 'lines'} in events.jsonl of the run ${d.run} cannot be read and ` +
      `${d.lines === 1 ? 'was' : 'were'} skipped`,
    'The charts lack those events. The checkpoints do not depend on them: resume, export and growth work.',
  ],
  'run/not-running': (d: { run: string; state: string }): ErrorText => [
    `the run ${d.run} is ${d.state}, not training`,
    'Resume it first.',
  ],
  'run/elsewhere': (d: { run: string; where: string; pid: number }): ErrorText => [
    `the run ${d.run} is trained ${d.where} (process ${d.pid}), where this program can end nothing`,
    'Run cambium stop --now there, or cambium --host NAME stop --now from here.',
  ],
  'run/not-ended': (d: { run: string; pid: number; why: string }): ErrorText => [
    `process ${d.pid}, which trains the run ${d.run}, was not ended: ${d.why}`,
    'The run is asked to stop and save all the same. End that process yourself if it does not.',
  ],
  'run/finished': (d: { run: string; steps: number }): ErrorText => [
    `the run ${d.run} has finished its ${d.steps} steps`,
    'Resume it with more tokens, or start a new run from its export.',
  ],
  'run/early-stopped': (d: { run: string; step: number; evaluations: number }): ErrorText => [
    `the run ${d.run} stopped early at step ${d.step}: ` +
      `its held-out loss did not improve in ${formatQuantity(d.evaluations, 'evaluation')}`,
    'Resume it with a longer early stopping patience, or with 0 to train to the end.',
  ],
  'queue/not-waiting': (d: { run: string }): ErrorText => [
    `the run "${d.run}" does not wait in the queue`,
    'List the waiting runs with cambium queue.',
  ],
  'run/no-step': (d: { run: string; step: number; saved: readonly number[] }): ErrorText => [
    `the run ${d.run} has no checkpoint of step ${d.step}`,
    d.saved.length === 0 ? 'It has none yet.' : `Choose one of ${listNames(d.saved.map(String), 20)}.`,
  ],
  'run/needed-checkpoint': (d: { run: string; step: number; why: string }): ErrorText => [
    `the checkpoint of step ${d.step} of the run ${d.run} is needed: ${d.why}`,
    'Delete another one, or move the run to the trash.',
  ],
  'run/no-checkpoint': (d: { run: string }): ErrorText => [
    `the run ${d.run} has no complete checkpoint`,
    'Start it again from its source.',
  ],
  'run/bad-setting': (d: { setting: string; why: string }): ErrorText => [
    `${d.setting} ${d.why}`,
    'See cambium train --help.',
  ],
  'run/bad-stage': (d: { stage: number; why: string; remedy: string }): ErrorText => [
    `stage ${d.stage}: ${d.why}`,
    `Change the stage: ${d.remedy}`,
  ],
  'run/no-next-stage': (d: { run: string }): ErrorText => [
    `the run ${d.run} has no further stage to grow into`,
    'Grow its newest checkpoint with cambium grow --from-run, and train the result.',
  ],
  'run/not-grown': (d: { run: string }): ErrorText => [
    `the run ${d.run} has not grown while it trained, so there is no slope after a growth`,
    'Choose a run with stages (cambium train --stages) whose first stage has ended.',
  ],
  'run/few-steps-after-growth': (d: { run: string; steps: number; needed: number }): ErrorText => [
    `the run ${d.run} has taken ${formatQuantity(d.steps, 'step')} since it grew, and the slope of its loss ` +
      `needs ${d.needed}`,
    'Compare again when it has trained further.',
  ],
  'run/slope-not-comparable': (d: { run: string; other: string; why: string }): ErrorText => [
    `the loss of ${d.run} after growing is not compared with that of ${d.other}: ${d.other} ${d.why}`,
    'Choose a run of a model with the size of the grown one, from random weights and on the same text.',
  ],
  'run/precision': (d: { device: string; precision: string; possible: readonly string[] }): ErrorText => [
    `${d.device} does not compute in ${d.precision}`,
    `It can train in ${listNames(d.possible)}; choose one with --precision, or another device with --device.`,
  ],
  'run/not-finite': (d: { step: number; what: string }): ErrorText => [
    `the ${d.what} is not finite at step ${d.step}`,
    'Lower the learning rate or lengthen the warm-up, then resume from the last checkpoint.',
  ],
  'run/no-average': (d: { run: string; setting: string }): ErrorText => [
    `the run ${d.run} does not keep this average of its weights`,
    `Export the latest weights, or start a run with --${d.setting}.`,
  ],
  'run/no-source': (d: { checkpoint: string; why: string }): ErrorText => [
    `${d.checkpoint} cannot be distilled from its source: ${d.why}`,
    'Start from a checkpoint that Cambium grew and whose source still exists, or set --distill-weight to 0.',
  ],
  'run/decaying': (d: { run: string; steps: number }): ErrorText => [
    `the run ${d.run} is already decaying and ends at step ${d.steps}`,
    'To train further afterwards, use cambium resume --tokens.',
  ],
  'run/fewer-tokens': (d: { run: string; asked: number; done: number }): ErrorText => [
    `the run ${d.run} has already trained on ${d.done} tokens, so a total of ${d.asked} adds none`,
    `Choose a total of more than ${d.done} tokens.`,
  ],
  'run/damaged-checkpoint': (d: { path: string; why: string }): ErrorText => [
    `the training checkpoint ${d.path} is damaged: ${d.why}`,
    'Delete this folder; resume then uses the previous complete checkpoint.',
  ],

  'job/not-found': (d: { job: string }): ErrorText => [
    `there is no job "${d.job}"`,
    'It may belong to a session of Cambium that has ended.',
  ],

  'export/onnx-type': (d: { dtype: string }): ErrorText => [
    `an ONNX file is written in float32, not in ${d.dtype}`,
    'Leave out the dtype; onnxruntime can quantize the file afterwards.',
  ],
  'export/differs': (d: { path: string; what: string }): ErrorText => [
    `the export ${d.path} reads back differently: ${d.what}`,
    'Check the disk; the export was removed.',
  ],
} as const;
