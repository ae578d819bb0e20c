/** @file Growing through the engine: the bytes of the reference interpreter, whole or not at all. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { grow } from '../../src-main/engine/grow-job.ts';
import { aborter } from '../../src-main/contract/rpc.ts';
import { applyRecipe } from '../../src-main/growth/apply.ts';
import { families } from '../../src-main/model/families/index.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { openCheckpoint, readTensor } from '../../src-main/store/checkpoint.ts';
import { narrow, weightDTypes } from '../../src-main/tensor/dtype.ts';
import { refusal } from '../support/refusal.ts';
import { freePath } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collected, digests, growths, planned, quiet, valuesOf, weightsOf } from './workbench.ts';

const familyIds = [...families.keys()];
/** Nothing of a growth to `out` is left. */
const nothingLeft = (out: string): void => { expect(existsSync(dirname(out)) ? readdirSync(dirname(out)) : []).toEqual([]); };

it('every method has its growths here', () => { expect(new Set(growths.map(([, method]) => method))).toEqual(new Set(methods.keys())); });

describe.each(familyIds)('%s', (id) => {
  describe.each(growths)('%s', (...growth) => {
    it.each(weightDTypes)('of %s: bytes are the interpreter\'s, sharded or not, in blocks or not', async (dtype) => {
      const source = await makeTinyCheckpoint(id, { tokenizer: true, dtype, shards: 3 }), plan = await planned(source, growth), out = freePath('grown');
      const events = await collected(grow({ source, out, plan, device: 'cpu' }, quiet));
      const done = events.at(-1)!, grown = await openCheckpoint(out), from = await openCheckpoint(source);
      expect(from.card.shards).toBeGreaterThan(1);
      expect(done).toMatchObject({ at: 'done', dir: out, device: 'cpu', certificate: { passed: true, device: 'cpu', promise: 'exact' } });
      expect(grown.card.dtypes).toEqual([dtype]);
      expect(grown.dims).toEqual(plan.to);
      expect(grown.growth).toMatchObject({ version: 1, source, method: growth[1], certificate: { passed: true } });
      expect(grown.growth!.plan).toEqual(JSON.parse(JSON.stringify(plan)));
      for (const recipe of plan.tensors) {
        const expected = applyRecipe(recipe, plan.maps, plan.from, plan.to, await valuesOf(from, recipe.source), plan.request.seed);
        expect(Buffer.compare(await readTensor(grown, recipe.name), narrow(expected, dtype)), recipe.name).toBe(0);
      }
      const blocks = freePath('blocks');
      await collected(grow({ source, out: blocks, plan, device: 'cpu' }, quiet, { blockBytes: 150 }));
      expect(digests(blocks, (path) => path.endsWith('.safetensors'))).toEqual(digests(out, (path) => path.endsWith('.safetensors')));
    });
  });

  it('equal seeds give equal bytes, others others', async () => {
    const source = await makeTinyCheckpoint(id), grown = async (seed: number) => { const out = freePath('grown'); await collected(grow({ source, out, plan: await planned(source, growths[0]!, { seed }), device: 'cpu' }, quiet)); return weightsOf(out); };
    const [a, b, c] = [await grown(5), await grown(5), await grown(6)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('another element type is rounded once, and one too narrow for the values is refused', async () => {
    const source = await makeTinyCheckpoint(id), out = freePath('grown'), plan = await planned(source, growths[2]!, { dtype: 'bfloat16' });
    await collected(grow({ source, out, plan, device: 'cpu' }, quiet));
    const grown = await openCheckpoint(out), from = await openCheckpoint(source);
    expect(grown.card.dtypes).toEqual(['bfloat16']);
    for (const recipe of plan.tensors) expect(Buffer.compare(await readTensor(grown, recipe.name), narrow(applyRecipe(recipe, plan.maps, plan.from, plan.to, await valuesOf(from, recipe.source), 3), 'bfloat16'))).toBe(0);
    const large = await makeTinyCheckpoint(id), name = await spoil(large, 1e6), too = freePath('too');
    const { message } = await refusal('checkpoint/overflow', async () => collected(grow({ source: large, out: too, plan: await planned(large, growths[3]!, { dtype: 'float16' }), device: 'cpu' }, quiet)));
    expect(message).toContain(name);
    nothingLeft(too);
  });

  it('cancelled at any event it leaves nothing behind', async () => {
    const source = await makeTinyCheckpoint(id), plan = await planned(source, growths[0]!), count = plan.tensors.length + 1;
    for (let at = 0; at <= count; at++) {
      const out = freePath('grown'), { signal, abort } = aborter();
      let seen = 0;
      if (at === 0) abort();
      await refusal('cancelled', async () => { for await (const event of grow({ source, out, plan, device: 'cpu' }, signal)) { expect(event.at).not.toBe('done'); if (++seen === at) abort(); } });
      expect(seen).toBe(at);
      nothingLeft(out);
    }
  });

  it('left in the middle it leaves nothing behind', async () => {
    const source = await makeTinyCheckpoint(id), plan = await planned(source, growths[0]!);
    for (const at of ['tensor', 'certifying'] as const) {
      const out = freePath('grown');
      for await (const event of grow({ source, out, plan, device: 'cpu' }, quiet)) if (event.at === at) break;
      nothingLeft(out);
    }
  });

  it.each([Number.NaN, Infinity])('a weight that is %d is refused by name and nothing is left', async (value) => {
    const source = await makeTinyCheckpoint(id), out = freePath('grown'), name = await spoil(source, value);
    const { message } = await refusal('checkpoint/not-finite', async () => collected(grow({ source, out, plan: await planned(source, growths[0]!), device: 'cpu' }, quiet)));
    expect(message).toContain(name);
    nothingLeft(out);
  });

  it('a source without a tokenizer grows', async () => {
    const source = await makeTinyCheckpoint(id), out = freePath('grown');
    expect((await collected(grow({ source, out, plan: await planned(source, growths[3]!), device: 'cpu' }, quiet))).at(-1)).toMatchObject({ at: 'done', certificate: { passed: true } });
    expect((await openCheckpoint(out)).card.tokenizer).toBeNull();
  });
});

it('an existing target is refused and stays as it is', async () => {
  const source = await makeTinyCheckpoint(familyIds[0]!), out = freePath('grown');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'mine.txt'), 'mine');
  await refusal('file/exists', async () => collected(grow({ source, out, plan: await planned(source, growths[0]!), device: 'cpu' }, quiet)));
  expect(readdirSync(out)).toEqual(['mine.txt']);
  expect(readdirSync(dirname(out))).toEqual(['grown']);
});

it('a device that is not there is refused, and no other is used', async () => {
  const source = await makeTinyCheckpoint(familyIds[0]!), out = freePath('grown');
  await refusal('engine/no-device', async () => collected(grow({ source, out, plan: await planned(source, growths[0]!), device: 'cuda' }, quiet)));
  nothingLeft(out);
});

/** Overwrites one value of the checkpoint's first weight in its file; answers with the weight's name. */
async function spoil(dir: string, value: number): Promise<string> {
  const { refs } = await openCheckpoint(dir), [name, { file, start }] = [...refs][0]!;
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const fd = openSync(file, 'r+');
  writeSync(fd, new Uint8Array(Float32Array.of(value).buffer), 0, 4, start + 8);
  closeSync(fd);
  return name;
}
