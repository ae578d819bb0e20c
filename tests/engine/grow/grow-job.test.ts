/** @file Growing through the engine: the bytes of the reference interpreter, whole or not at all. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { grow, writeGrown } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { families } from '../../../src-main/model/families/index.ts';
import type { GrowthPlan } from '../../../src-main/growth/recipe.ts';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { narrow, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  chief,
  collected,
  growthBy,
  growths,
  planned,
  plannedIfPossible,
  quiet,
  valuesOf,
  weightsOf,
} from '../workbench.ts';

/** Nothing of a growth to `out` is left. */
const nothingLeft = (out: string): void => {
  expect(existsSync(dirname(out)) ? readdirSync(dirname(out)) : []).toEqual([]);
};
const width = growthBy('hypercloning');
const odd = growthBy('expand');
const depth = growthBy('identity');

/** Every weight of `out` has the interpreter's bytes. */
async function isInterpreters(plan: GrowthPlan, source: string, out: string): Promise<void> {
  const grown = await openCheckpoint(out);
  const from = await openCheckpoint(source);
  expect(grown.dims).toEqual(plan.to);
  for (const recipe of plan.tensors) {
    const expected = applyRecipe(
      recipe,
      plan.maps,
      plan.from,
      plan.to,
      await valuesOf(from, recipe.source),
      plan.request.seed,
      recipe.second === undefined ? undefined : await valuesOf(from, recipe.second),
    );
    expect(
      Buffer.compare(await readTensor(grown, recipe.name), narrow(expected, recipe.dtype)),
      recipe.name,
    ).toBe(0);
  }
}

describe('every family by every method', () => {
  const worked = new Set<string>();
  const device = openDevice('cpu');
  it.each([...families.keys()])("%s: the interpreter's bytes, in blocks of rows", async (id) => {
    const source = await makeTinyCheckpoint(id);
    const before = worked.size;
    for (const growth of growths) {
      const plan = await plannedIfPossible(source, growth);
      const out = freePath('grown');
      if (!plan) continue;
      await collected(
        writeGrown(await device, await openCheckpoint(source), plan, out, quiet, { blockBytes: 1200 }),
      );
      await isInterpreters(plan, source, out);
      worked.add(`${id} ${growth[0]}`);
    }
    expect(worked.size - before).toBeGreaterThan(3);
  });
  it('every method works for a family or more', () => {
    for (const [title] of growths)
      expect([...worked].filter((w) => w.endsWith(` ${title}`)).length, title).toBeGreaterThan(0);
  });
});

describe.each(chief)('%s', (id) => {
  it.each(growths)('%s: whole, certified, of every element type, sharded or not', async (...growth) => {
    for (const dtype of ['hypercloning', 'aki'].includes(growth[0])
      ? weightDTypes
      : (['float32', 'bfloat16'] as const)) {
      const source = await makeTinyCheckpoint(id, { tokenizer: true, dtype, shards: 3 });
      const plan = await plannedIfPossible(source, growth);
      const out = freePath('grown');
      if (!plan) {
        expect(['solar', ...(id === 'llama' ? [] : ['upcycle'])]).toContain(growth[1]);
        return;
      } // the first needs more layers than these have, the other a family with experts
      const done = (await collected(grow({ source, out, plan, device: 'cpu' }, quiet))).at(-1)!;
      const grown = await openCheckpoint(out);
      expect((await openCheckpoint(source)).card.shards).toBeGreaterThan(1);
      expect(done).toMatchObject({
        at: 'done',
        dir: out,
        device: 'cpu',
        certificate: { passed: true, device: 'cpu', promise: plan.promise.kind },
      });
      expect(grown.card.dtypes).toEqual([dtype]);
      expect(grown.growth).toMatchObject({
        version: 1,
        source,
        method: growth[1],
        certificate: { passed: true },
      });
      expect(grown.growth!.plan).toEqual(JSON.parse(JSON.stringify(plan)));
      await isInterpreters(plan, source, out);
    }
  });

  it('equal seeds give equal bytes, others others', async () => {
    const source = await makeTinyCheckpoint(id);
    const grown = async (seed: number) => {
      const out = freePath('grown');
      await collected(
        grow({ source, out, plan: await planned(source, width, { seed }), device: 'cpu' }, quiet),
      );
      return weightsOf(out);
    };
    const [a, b, c] = [await grown(5), await grown(5), await grown(6)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('another element type is rounded once, and one too narrow for the values is refused', async () => {
    const source = await makeTinyCheckpoint(id);
    const out = freePath('grown');
    const plan = await planned(source, odd, { dtype: 'bfloat16' });
    await collected(grow({ source, out, plan, device: 'cpu' }, quiet));
    expect((await openCheckpoint(out)).card.dtypes).toEqual(['bfloat16']);
    await isInterpreters(plan, source, out);
    const large = await makeTinyCheckpoint(id);
    const name = await spoil(large, 1e6);
    const too = freePath('too');
    const { message } = await refusal('checkpoint/overflow', async () =>
      collected(
        grow(
          { source: large, out: too, plan: await planned(large, depth, { dtype: 'float16' }), device: 'cpu' },
          quiet,
        ),
      ),
    );
    expect(message).toContain(name);
    nothingLeft(too);
  });

  it('cancelled at any event it leaves nothing behind', async () => {
    const source = await makeTinyCheckpoint(id);
    const plan = await planned(source, width);
    const count = plan.tensors.length + 1;
    for (let at = 0; at <= count; at++) {
      const out = freePath('grown');
      const { signal, abort } = aborter();
      let seen = 0;
      if (at === 0) abort();
      await refusal('cancelled', async () => {
        for await (const event of grow({ source, out, plan, device: 'cpu' }, signal)) {
          expect(event.at).not.toBe('done');
          if (++seen === at) abort();
        }
      });
      expect(seen).toBe(at);
      nothingLeft(out);
    }
  });

  it('left in the middle it leaves nothing behind', async () => {
    const source = await makeTinyCheckpoint(id);
    const plan = await planned(source, width);
    for (const at of ['tensor', 'certifying'] as const) {
      const out = freePath('grown');
      for await (const event of grow({ source, out, plan, device: 'cpu' }, quiet)) if (event.at === at) break;
      nothingLeft(out);
    }
  });

  it.each([Number.NaN, Infinity])(
    'a weight that is %d is refused by name and nothing is left',
    async (value) => {
      const source = await makeTinyCheckpoint(id);
      const out = freePath('grown');
      const name = await spoil(source, value);
      const { message } = await refusal('checkpoint/not-finite', async () =>
        collected(grow({ source, out, plan: await planned(source, width), device: 'cpu' }, quiet)),
      );
      expect(message).toContain(name);
      nothingLeft(out);
    },
  );

  it('a source without a tokenizer grows', async () => {
    const source = await makeTinyCheckpoint(id);
    const out = freePath('grown');
    expect(
      (await collected(grow({ source, out, plan: await planned(source, depth), device: 'cpu' }, quiet))).at(
        -1,
      ),
    ).toMatchObject({ at: 'done', certificate: { passed: true } });
    expect((await openCheckpoint(out)).card.tokenizer).toBeNull();
  });
});

it('an existing target is refused and stays as it is', async () => {
  const source = await makeTinyCheckpoint(chief[0]);
  const out = freePath('grown');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'mine.txt'), 'mine');
  await refusal('file/exists', async () =>
    collected(grow({ source, out, plan: await planned(source, width), device: 'cpu' }, quiet)),
  );
  expect(readdirSync(out)).toEqual(['mine.txt']);
  expect(readdirSync(dirname(out))).toEqual(['grown']);
});

it('a device that is not there is refused, and no other is used', async () => {
  const source = await makeTinyCheckpoint(chief[0]);
  const out = freePath('grown');
  await refusal('engine/no-device', async () =>
    collected(grow({ source, out, plan: await planned(source, width), device: 'cuda' }, quiet)),
  );
  nothingLeft(out);
});

/** Overwrites one value of the checkpoint's first weight in its file; answers with the weight's name. */
async function spoil(dir: string, value: number): Promise<string> {
  const { refs } = await openCheckpoint(dir);
  const [name, { file, start }] = [...refs][0]!;
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const fd = openSync(file, 'r+');
  writeSync(fd, new Uint8Array(Float32Array.of(value).buffer), 0, 4, start + 8);
  closeSync(fd);
  return name;
}
