/** @file Growths of a small checkpoint, each into the place of the one before, which is removed first. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAborter } from '../../../src-main/base/signals.ts';
import { grow as growCheckpoint } from '../../../src-main/engine/grow/grow-job.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan } from '../../../src-main/growth/recipe.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { removeFolder } from '../../../src-main/store/fs/folder.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { digestFolder, isSameDigest } from './digest.ts';
import type { Operation, Place } from './operation.ts';

const sourceOf = ({ inputs }: Place): string => join(inputs, 'source');
const outOf = ({ root }: Place): string => join(root, 'grown');
const readJson = ({ inputs }: Place, name: string): unknown =>
  JSON.parse(readFileSync(join(inputs, name), 'utf8'));
/** Times are in growth.json and the card. The certificate is written to a temporary file first. */
const isReproducible = (path: string): boolean =>
  !['growth.json', 'README.md'].includes(path) && !path.endsWith('.new');

async function growInto(place: Place, out: string): Promise<void> {
  const { signal } = createAborter();
  const plan = readJson(place, 'plan.json') as GrowthPlan;
  const events = growCheckpoint({ source: sourceOf(place), out, plan, device: 'cpu' }, signal);
  for await (const _ of events) void _;
}

export const grow: Operation = {
  guess: 800,
  async prepare(place) {
    const dir = await makeTinyCheckpoint('llama', { dir: sourceOf(place), tokenizer: true, shards: 3 });
    const { summary } = await openCheckpoint(dir);
    const request = {
      to: { hidden: 2 * summary.dims['hidden']! },
      options: {},
      seed: 3,
      dtype: 'keep',
    } as const;
    const plan = planGrowth(summary, { method: 'hypercloning', ...request });
    writeFileSync(join(place.inputs, 'plan.json'), JSON.stringify(plan));
    const reference = join(place.inputs, 'reference');
    await growInto(place, reference);
    writeFileSync(join(place.inputs, 'digest.json'), JSON.stringify(digestFolder(reference, isReproducible)));
    return undefined;
  },
  async work(place) {
    if (existsSync(outOf(place))) await removeFolder(outOf(place));
    await growInto(place, outOf(place));
  },
  async check(place, { begun, done }) {
    const out = outOf(place);
    if (!existsSync(out)) return begun === done && done > 0 ? ['the grown checkpoint is gone'] : [];
    const digest = readJson(place, 'digest.json') as Readonly<Record<string, string>>;
    const opened = await openCheckpoint(out).then(
      () => [],
      (error: unknown) => [`the grown checkpoint does not open: ${String(error)}`],
    );
    const isWhole = isSameDigest(digestFolder(out, isReproducible), digest);
    return [...opened, ...(isWhole ? [] : ['the grown checkpoint is half-written'])];
  },
};
