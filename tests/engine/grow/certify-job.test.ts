/** @file A model and its copy pass the certificate with no difference; a damaged model does not pass. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { certify } from '../../../src-main/engine/grow/certify-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  mainFamilies,
  collect,
  addToWeight,
  growthNamed,
  planFor,
  neverAborted,
  createTextFile,
} from '../workbench.ts';

const copyFolder = (dir: string): string => {
  const copy = freePath('copy');
  cpSync(dir, copy, { recursive: true });
  return copy;
};
const device = openDevice('cpu');

describe.each(mainFamilies)('%s', (id) => {
  const source = makeTinyCheckpoint(id, { tokenizer: true });

  it('finds no difference between a model and its copy, on sampled text and on a file', async () => {
    const { dims } = await openCheckpoint(await source);
    const tokens = 2 * Math.min(128, dims['positions'] ?? Infinity);
    for (const text of [undefined, createTextFile()]) {
      const certificate = await certify(await device, await source, copyFolder(await source), { text });
      expect(certificate).toMatchObject({
        maxLogit: 0,
        kl: 0,
        agreement: 1,
        passed: true,
        promise: 'exact',
        device: 'cpu',
        text: text ?? `${tokens} tokens sampled from the source`,
      });
      expect(certificate.lossSource).toBe(certificate.lossGrown);
      expect(certificate.tokens).toBe(tokens);
      expect(certificate.rmsLogit).toBeGreaterThan(0.1);
    }
  });

  it('does not pass a model with an error of 1e-2 in any weight', async () => {
    const { tensors } = await openCheckpoint(await source);
    for (const name of [...tensors.keys()].filter((_, i) => i % 3 === 0)) {
      const damaged = copyFolder(await source);
      await addToWeight(damaged, name, 1e-2, 7);
      const { passed, maxLogit, tolerance } = await certify(await device, await source, damaged);
      expect({ name, passed, over: maxLogit > tolerance }).toEqual({ name, passed: false, over: true });
    }
  });

  it('does not pass a damaged grown model, nor an approximate one that is not finite', async () => {
    const out = freePath('grown');
    const plan = await planFor(await source, growthNamed('hypercloning'));
    await collect(grow({ source: await source, out, plan, device: 'cpu' }, neverAborted));
    expect(await certify(await device, await source, out)).toMatchObject({ passed: true });
    const name = plan.tensors[0]!.name;
    const damaged = copyFolder(out);
    await addToWeight(damaged, name, 1e-2);
    expect(await certify(await device, await source, damaged)).toMatchObject({ passed: false });
    const record = join(damaged, 'growth.json');
    const growth = JSON.parse(readFileSync(record, 'utf8')) as { plan: { promise: { kind: string } } };
    growth.plan.promise.kind = 'approximate';
    writeFileSync(record, JSON.stringify(growth));
    expect(await certify(await device, await source, damaged)).toMatchObject({
      passed: true,
      promise: 'approximate',
    });
    await addToWeight(damaged, name, 3e38);
    await addToWeight(damaged, name, 1e38);
    await certify(await device, await source, damaged).then(
      (certificate) => {
        expect(certificate.passed).toBe(false);
      },
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'checkpoint/not-finite' });
      },
    );
  });

  it('can be cancelled while text is sampled', async () => {
    const { signal, abort } = createAborter();
    setTimeout(abort, 5);
    await expectAppError('cancelled', async () =>
      certify(await device, await source, await source, { signal }),
    );
  });
});

it('refuses a smaller vocabulary and compares the common tokens of a larger one', async () => {
  const small = await makeTinyCheckpoint('llama');
  const large = await makeTinyCheckpoint('llama', { dims: { vocab: 65 } });
  await expectAppError('checkpoint/unsupported', async () => certify(await device, large, small));
  // The first 64 rows of both embeddings are equal.
  expect(await certify(await device, small, large)).toMatchObject({
    maxLogit: 0,
    agreement: 1,
    passed: true,
  });
  await addToWeight(large, [...(await openCheckpoint(large)).tensors.keys()][0]!, 1e-2, 7);
  expect(await certify(await device, small, large)).toMatchObject({ passed: false });
});
