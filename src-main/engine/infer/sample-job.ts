/** @file Text that a checkpoint, or the newest checkpoint of a run, goes on with. */
import type { AbortSignalLike } from '../../base/signals.ts';
import type { SampleEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { isRun } from '../../store/run/runs.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import { generate } from './generate.ts';
import type { SampleInput } from '../inputs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { fromCheckpoint, load } from '../model/weights.ts';

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
    const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
    try {
      const encoded = tokenizer.encode(prompt);
      const first = encoded.length > 0 ? encoded : [tokenizer.bos ?? tokenizer.eos ?? 0];
      const text = tokenizer.stream(first);
      let count = 0;
      for await (const token of generate(
        device,
        loaded,
        first,
        tokens,
        { temperature, seed, stops: tokenizer.eos === null ? [] : [tokenizer.eos] },
        signal,
      )) {
        count++;
        const more = text.push(token);
        if (more !== '') yield { at: 'text', text: more };
      }
      const rest = text.end();
      if (rest !== '') yield { at: 'text', text: rest };
      yield { at: 'done', tokens: count, seconds: (performance.now() - started) / 1000, device: device.kind };
    } finally {
      loaded.dispose();
    }
  } finally {
    await device.dispose();
  }
}
