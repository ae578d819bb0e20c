/**
 * @file Sampling: transformers' greedy tokens, choices that follow the seed, and text that outgrows the
 * model's positions.
 */
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { choose, generate } from '../../../src-main/engine/infer/generate.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { sample } from '../../../src-main/engine/infer/sample-job.ts';
import { fromCheckpoint, load } from '../../../src-main/engine/model/weights.ts';
import type { SampleEvent } from '../../../src-main/contract/schema.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { fixtures, golden, goldenCases } from '../../support/golden.ts';
import { refusal } from '../../support/refusal.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { chief, collected, quiet } from '../workbench.ts';

describe.each(goldenCases)('%s', (name) => {
  it("greedy tokens are transformers'", async () => {
    const device = await openDevice('cpu');
    const checkpoint = await openCheckpoint(`${fixtures}/golden/${name}`);
    const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
    const { ids, greedy } = golden(name) as ReturnType<typeof golden> & { greedy: readonly number[] };
    const prompt = ids[0]!.slice(0, 4);
    expect([
      ...prompt,
      ...(await collected(generate(device, loaded, prompt, 12, { temperature: 0, seed: 0 }))),
    ]).toEqual(greedy);
    await device.dispose();
  });
});

describe.each(chief)('%s', (id) => {
  const source = makeTinyCheckpoint(id, {
    tokenizer: true,
    dims: { positions: 48 },
    config: id === 'llama' ? { max_position_embeddings: 48 } : {},
  });
  const text = async (input: Partial<Parameters<typeof sample>[0]>): Promise<string> =>
    (
      await collected(
        sample(
          {
            from: await source,
            prompt: 'the boat',
            tokens: 20,
            temperature: 1,
            seed: 1,
            device: 'cpu',
            ...input,
          },
          quiet,
        ),
      )
    )
      .filter((e) => e.at === 'text')
      .map((e) => (e as Extract<SampleEvent, { at: 'text' }>).text)
      .join('');

  it('the same seed writes the same, another something else', async () => {
    expect(await text({})).toBe(await text({}));
    expect(await text({})).not.toBe(await text({ seed: 2 }));
    expect(await text({ temperature: 0 })).toBe(await text({ temperature: 0, seed: 2 }));
  });

  it('writes beyond its positions, and reads a prompt that is longer than them', async () => {
    let most = 0; // of a few texts, because one may end early
    for (let seed = 0; seed < 6; seed++) {
      const done = (
        await collected(
          sample({ from: await source, prompt: '', tokens: 70, temperature: 1, seed, device: 'cpu' }, quiet),
        )
      ).at(-1) as Extract<SampleEvent, { at: 'done' }>;
      expect(done).toMatchObject({ at: 'done', device: 'cpu' });
      most = Math.max(most, done.tokens);
    }
    expect(most).toBe(70);
    expect((await text({ prompt: 'a very long text '.repeat(20) })).length).toBeGreaterThan(0);
  });

  it('stops when told', async () => {
    const { signal, abort } = aborter();
    const events: SampleEvent[] = [];
    for await (const event of sample(
      { from: await source, prompt: 'the', tokens: 10_000, temperature: 1, seed: 1, device: 'cpu' },
      signal,
    )) {
      events.push(event);
      if (events.length === 3) abort();
    }
    expect(events.length).toBeLessThan(8);
  });
});

it('a checkpoint without a tokenizer, and a device that is not there, are refused', async () => {
  const bare = await makeTinyCheckpoint('gpt2');
  const whole = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  const input = { prompt: 'a', tokens: 1, temperature: 0, seed: 0, device: 'cpu' as const };
  await refusal('checkpoint/no-tokenizer', () => collected(sample({ ...input, from: bare }, quiet)));
  await refusal('engine/no-device', () =>
    collected(sample({ ...input, from: whole, device: 'cuda' }, quiet)),
  );
});

it('a choice is as likely as its softmax says', () => {
  const logits = Float32Array.of(0, Math.log(2), Math.log(5));
  const seen = [0, 0, 0];
  for (let i = 0; i < 8000; i++) seen[choose(logits, 1, (i + 0.5) / 8000)]!++;
  expect(seen).toEqual([1000, 2000, 5000]);
  expect(choose(logits, 0, 0)).toBe(2);
  for (let i = 0; i < 8000; i++) seen[choose(logits, 0.5, (i + 0.5) / 8000)]!--;
  expect(seen[0]).toBeGreaterThan(700); // colder: the unlikely become rarer
  expect(choose(logits, 1, 1 - 2 ** -53)).toBe(2);
});
