/** @file Certificates: nothing between a model and itself, and everything that should fail does. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { certify } from '../../../src-main/engine/grow/certify-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { chief, collected, damage, growthBy, planned, quiet, textFile } from '../workbench.ts';

const copyOf = (dir: string): string => {
  const to = freePath('copy');
  cpSync(dir, to, { recursive: true });
  return to;
};
const device = openDevice('cpu');

describe.each(chief)('%s', (id) => {
  const source = makeTinyCheckpoint(id, { tokenizer: true });

  it('a model and itself do not differ, on its own text and on a file', async () => {
    for (const text of [undefined, textFile()]) {
      const certificate = await certify(await device, await source, copyOf(await source), { text });
      expect(certificate).toMatchObject({
        maxLogit: 0,
        kl: 0,
        agreement: 1,
        passed: true,
        promise: 'exact',
        device: 'cpu',
        text: text ?? "the source's own text",
      });
      expect(certificate.lossSource).toBe(certificate.lossGrown);
      expect(certificate.tokens).toBe(
        2 * Math.min(128, (await openCheckpoint(await source)).dims['positions'] ?? Infinity),
      );
      expect(certificate.rmsLogit).toBeGreaterThan(0.1);
    }
  });

  it('damage of 1e-2 to any weight that is heard does not pass', async () => {
    const { refs } = await openCheckpoint(await source);
    for (const name of [...refs.keys()].filter((_, i) => i % 3 === 0)) {
      const other = copyOf(await source);
      await damage(other, name, 1e-2, 7);
      const { passed, maxLogit, tolerance } = await certify(await device, await source, other);
      expect({ name, passed, over: maxLogit > tolerance }).toEqual({ name, passed: false, over: true });
    }
  });

  it('a grown model that is damaged afterwards does not pass, nor does one that is not finite whatever was promised', async () => {
    const out = freePath('grown');
    const plan = await planned(await source, growthBy('hypercloning'));
    await collected(grow({ source: await source, out, plan, device: 'cpu' }, quiet));
    expect(await certify(await device, await source, out)).toMatchObject({ passed: true });
    const name = plan.tensors[0]!.name;
    const worse = copyOf(out);
    await damage(worse, name, 1e-2);
    expect(await certify(await device, await source, worse)).toMatchObject({ passed: false });
    const record = join(worse, 'growth.json');
    const growth = JSON.parse(readFileSync(record, 'utf8')) as { plan: { promise: { kind: string } } };
    growth.plan.promise.kind = 'approximate';
    writeFileSync(record, JSON.stringify(growth));
    expect(await certify(await device, await source, worse)).toMatchObject({
      passed: true,
      promise: 'approximate',
    });
    await damage(worse, name, 3e38);
    await damage(worse, name, 1e38);
    await certify(await device, await source, worse).then(
      (c) => {
        expect(c.passed).toBe(false);
      },
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'checkpoint/not-finite' });
      },
    );
  });

  it('cancelled while the source writes, it stops', async () => {
    const { signal, abort } = aborter();
    setTimeout(abort, 5);
    await refusal('cancelled', async () => certify(await device, await source, await source, { signal }));
  });
});

it('a smaller vocabulary is not compared; a larger one on the tokens that both have', async () => {
  const [a, b] = [
    await makeTinyCheckpoint('llama'),
    await makeTinyCheckpoint('llama', { dims: { vocab: 65 } }),
  ];
  await refusal('checkpoint/unsupported', async () => certify(await device, b, a));
  // the first 64 rows of both are equal
  expect(await certify(await device, a, b)).toMatchObject({ maxLogit: 0, agreement: 1, passed: true });
  await damage(b, [...(await openCheckpoint(b)).refs.keys()][0]!, 1e-2, 7);
  expect(await certify(await device, a, b)).toMatchObject({ passed: false });
});
