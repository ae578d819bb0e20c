/** @file Generates text with a checkpoint, or with the newest checkpoint of a run. */
import type { AbortSignalLike } from '../../base/signals.ts';
import type { SampleEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import { generate } from './generate.ts';
import type { SampleInput } from '../inputs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';

/** Yields the text in pieces as it is generated, and at last the number of tokens and the time. */
export async function* sample(
  { from, prompt, tokens, temperature, seed, device: choice }: SampleInput,
  signal: AbortSignalLike,
): AsyncGenerator<SampleEvent> {
  const started = performance.now();
  const dir = (await isRun(from)) ? await newestModel(from) : from;
  const checkpoint = await openCheckpoint(dir);
  const tokenizer = await openTokenizer(dir, checkpoint.dims['vocab']!);
  const device = await chooseDevice(choice);
  try {
    const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
    try {
      const encoded = await tokenizer.encode(prompt);
      const ids = encoded.length > 0 ? encoded : [tokenizer.bos ?? tokenizer.eos ?? 0];
      const stream = tokenizer.createDecodeStream(ids);
      const options = { temperature, seed, stops: tokenizer.eos === null ? [] : [tokenizer.eos] };
      let count = 0;
      for await (const token of generate(device, loaded, ids, tokens, options, signal)) {
        count++;
        const text = await stream.push(token);
        if (text !== '') yield { type: 'text', text };
      }
      const rest = await stream.end();
      if (rest !== '') yield { type: 'text', text: rest };
      const seconds = (performance.now() - started) / 1000;
      yield { type: 'done', tokens: count, seconds, device: device.kind };
    } finally {
      loaded.dispose();
    }
  } finally {
    await device.dispose();
  }
}
