/**
 * @file The real checkpoint beside the checkout, where there is one: grown twice as large by each method it
 * says the same.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { sample } from '../../src-main/engine/infer/sample-job.ts';
import type { GrowEvent } from '../../src-main/contract/schema.ts';
import { freePath } from '../support/temporary.ts';
import { collected, growths, planned, quiet } from './workbench.ts';

const stories = join(import.meta.dirname, '../../../shared/data/stories260K');
const there = existsSync(stories);
if (!there) console.log(`skipped: the real checkpoint (${stories} is not there)`);

describe.skipIf(!there)('stories260K', () => {
  const told = async (from: string): Promise<string> =>
    (
      await collected(
        sample(
          { from, prompt: 'Once upon a time', tokens: 100, temperature: 0, seed: 0, device: 'cpu' },
          quiet,
        ),
      )
    )
      .map((e) => (e.at === 'text' ? e.text : ''))
      .join('');
  const before = told(stories);

  it.each(growths)('%s', async (...growth) => {
    const [title, method, times] = growth;
    const out = freePath('grown');
    const plan = await planned(stories, [
      title,
      method,
      Object.fromEntries(
        Object.entries(times)
          .filter(([axis]) => axis !== 'heads' || !('hidden' in times))
          .map(([axis, factor]) => [axis, Math.ceil(factor)]),
      ),
      growth[3],
    ]);
    const { certificate } = (await collected(grow({ source: stories, out, plan, device: 'cpu' }, quiet))).at(
      -1,
    ) as Extract<GrowEvent, { at: 'done' }>;
    console.log(
      `${title}, ${plan.promise.kind}: max |Δlogit| ${certificate!.maxLogit.toExponential(2)}, KL ${certificate!.kl.toExponential(1)} over ${certificate!.tokens} tokens`,
    );
    expect(certificate!.passed).toBe(true);
    if (plan.promise.kind !== 'exact') return;
    expect(certificate!.maxLogit).toBeLessThanOrEqual(1e-4);
    expect(await told(out)).toBe(await before);
    expect((await before).length).toBeGreaterThan(200);
  });
});
