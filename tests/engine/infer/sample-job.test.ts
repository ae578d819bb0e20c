/** @file Samples text: the same seed gives the same text, which may exceed the context length. */
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { sample } from '../../../src-main/engine/infer/sample-job.ts';
import type { SampleEvent } from '../../../src-main/contract/schema.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { mainFamilies, collect, neverAborted } from '../workbench.ts';

describe.each(mainFamilies)('%s', (id) => {
  const source = makeTinyCheckpoint(id, {
    tokenizer: true,
    dims: { positions: 48 },
    config: id === 'llama' ? { max_position_embeddings: 48 } : {},
  });
  const defaults = { prompt: 'the boat', tokens: 20, temperature: 1, seed: 1, device: 'cpu' } as const;
  const sampleText = async (input: Partial<Parameters<typeof sample>[0]>): Promise<string> => {
    const events = await collect(sample({ from: await source, ...defaults, ...input }, neverAborted));
    return events.map((e) => (e.type === 'text' ? e.text : '')).join('');
  };

  it('samples the same text for the same seed and another for another seed', async () => {
    expect(await sampleText({})).toBe(await sampleText({}));
    expect(await sampleText({})).not.toBe(await sampleText({ seed: 2 }));
    expect(await sampleText({ temperature: 0 })).toBe(await sampleText({ temperature: 0, seed: 2 }));
  });

  it('samples more tokens than its context length, and after a longer prompt', async () => {
    let longest = 0; // of several texts, because one may end early
    for (let seed = 0; seed < 6; seed++) {
      const input = { from: await source, prompt: '', tokens: 70, temperature: 1, seed };
      const events = await collect(sample({ ...input, device: 'cpu' }, neverAborted));
      const done = events.at(-1) as Extract<SampleEvent, { type: 'done' }>;
      expect(done).toMatchObject({ type: 'done', device: 'cpu' });
      longest = Math.max(longest, done.tokens);
    }
    expect(longest).toBe(70);
    const text = await sampleText({ prompt: 'a very long text '.repeat(20) });
    expect(text.length).toBeGreaterThan(0);
  });

  it('stops when it is cancelled', async () => {
    const { signal, abort } = createAborter();
    const input = { from: await source, ...defaults, prompt: 'the', tokens: 10_000 };
    const events: SampleEvent[] = [];
    for await (const event of sample(input, signal)) {
      events.push(event);
      if (events.length === 3) abort();
    }
    expect(events.length).toBeLessThan(8);
  });
});

it('refuses a checkpoint without a tokenizer, and a missing device', async () => {
  const bare = await makeTinyCheckpoint('gpt2');
  const complete = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  const input = { prompt: 'a', tokens: 1, temperature: 0, seed: 0, device: 'cpu' as const };
  await expectAppError('checkpoint/no-tokenizer', () =>
    collect(sample({ ...input, from: bare }, neverAborted)),
  );
  await expectAppError('engine/no-device', () =>
    collect(sample({ ...input, from: complete, device: 'cuda' }, neverAborted)),
  );
});
