/** @file A precision that the device cannot compute in is refused at the start, with what it can; nothing else is run in its place. */
import { expect, it } from 'vitest';
import { wordsOf } from '../../src-main/base/errors.ts';
import { train } from '../../src-main/engine/train-job.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collected, newRun, only, quiet, textFile } from './workbench.ts';

it.each(['bfloat16', 'float16'] as const)('%s on the processor', async (precision) => {
  const checkpoint = await makeTinyCheckpoint('llama', { tokenizer: true }), run = await newRun(checkpoint, textFile(), { precision });
  const events = await collected(train({ run }, quiet)), [stopped] = only(events, 'stopped');
  expect(stopped).toMatchObject({ reason: 'failed', step: 0, error: { code: 'run/precision', detail: { device: 'cpu', precision, possible: ['float32'] } } });
  expect(only(events, 'step')).toEqual([]);
  expect(wordsOf(stopped!.error!).join('. ')).toContain(`cpu does not compute in ${precision}. It can train in float32`);
});
