/** @file Grows a real checkpoint, if there is one beside the checkout, by each method. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { sample } from '../../../src-main/engine/infer/sample-job.ts';
import type { GrowEvent } from '../../../src-main/contract/schema.ts';
import { freePath } from '../../support/temporary.ts';
import { collect, growths, planFor, neverAborted, verdictOf } from '../workbench.ts';

const stories = join(import.meta.dirname, '../../../../shared/data/stories260K');
const hasStories = existsSync(stories);
if (!hasStories) console.log(`skipped: the real checkpoint (${stories} does not exist)`);

/** Generates text greedily. */
async function generateText(from: string): Promise<string> {
  const input = { from, prompt: 'Once upon a time', tokens: 100, temperature: 0, seed: 0 };
  const events = await collect(sample({ ...input, device: 'cpu' }, neverAborted));
  return events.map((e) => (e.type === 'text' ? e.text : '')).join('');
}

describe.skipIf(!hasStories)('stories260K', () => {
  it.each(growths)(
    'grown by %s is certified; with the logits preserved it generates the same text',
    async (...growth) => {
      const [title, method, times, options] = growth;
      const out = freePath('grown');
      const factors = Object.entries(times)
        .filter(([axis]) => axis !== 'heads' || !('hidden' in times))
        .map(([axis, factor]) => [axis, Math.ceil(factor)] as const);
      const plan = await planFor(stories, [title, method, Object.fromEntries(factors), options]);
      const events = await collect(grow({ source: stories, out, plan, device: 'cpu' }, neverAborted));
      const { certificate } = events.at(-1) as Extract<GrowEvent, { type: 'done' }>;
      const { maxLogit, rmsLogit, kl, tokens, verdict } = certificate!;
      const difference = `max |Δlogit| ${maxLogit.toExponential(2)}, KL ${kl.toExponential(1)}`;
      console.log(`${title}, ${plan.promise.kind}: ${difference} over ${tokens} tokens`);
      expect(verdict).toBe(verdictOf(plan));
      if (plan.promise.kind === 'none') return;
      expect(maxLogit / rmsLogit).toBeLessThanOrEqual(1e-4);
      const text = await generateText(stories);
      expect(await generateText(out)).toBe(text);
      expect(text.length).toBeGreaterThan(200);
    },
  );
});
