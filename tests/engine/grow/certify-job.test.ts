/**
 * @file A model and its copy pass the certificate with no difference, and a damaged model does not pass. A
 * certificate on the user's text has the losses of `evaluate`.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { CertifyEvent } from '../../../src-main/contract/schema.ts';
import { certify, certifyJob } from '../../../src-main/engine/grow/certify-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { evaluate } from '../../../src-main/engine/infer/evaluate-job.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import type { Certificate } from '../../../src-main/model/certificate.ts';
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
const textFile = createTextFile();

async function growTiny(
  source: string,
  ...[title, options = {}]: readonly [string, object?]
): Promise<string> {
  const out = freePath('grown');
  const [name, method, times] = growthNamed(title);
  const plan = await planFor(source, [name, method, times, options as never]);
  await collect(grow({ source, out, plan, device: 'cpu' }, neverAborted));
  return out;
}

/** The loss that `cambium evaluate` reports. */
async function evaluateLoss(checkpoint: string, contextLength: number, tokens?: number): Promise<number> {
  const events = await collect(
    evaluate(
      {
        checkpoint,
        data: [textFile],
        contextLength,
        batchSize: 3,
        device: 'cpu',
        ...(tokens ? { tokens } : {}),
      },
      neverAborted,
    ),
  );
  const last = events.at(-1)!;
  if (last.type !== 'done') throw new Error('no evaluation');
  return last.evaluation.loss;
}

describe.each(mainFamilies)('%s', (id) => {
  const source = makeTinyCheckpoint(id, { tokenizer: true });

  it('finds no difference between a model and its copy, on the built-in text and on a file', async () => {
    const { dims } = await openCheckpoint(await source);
    const contextLength = Math.min(128, dims['positions'] ?? Infinity);
    for (const files of [undefined, { data: [textFile], contextLength }]) {
      const certificate = await certify(await device, await source, copyFolder(await source), { files });
      expect(certificate).toMatchObject({
        maxLogit: 0,
        kl: 0,
        agreement: 1,
        nonFinite: 0,
        newTokenShare: 0,
        verdict: 'passed',
        promise: 'function-preserving',
        softmax: 'all-tokens',
        device: 'cpu',
        contextLength,
      });
      expect(certificate.lossSource).toBe(certificate.lossGrown);
      expect(certificate.text).toMatch(
        files ? /^text\.txt$/ : /^\d+ tokens of built-in text, continued by \d+/,
      );
      if (!files) expect(certificate.tokens).toBe(2 * contextLength);
      expect(certificate.rmsLogit).toBeGreaterThan(0.1);
    }
  });

  it('reads the same built-in text each time, sampled without an order of texts', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(async () => certify(await device, await source, copyFolder(await source))),
    );
    expect(second).toEqual(first);
    expect(first!.lossSource).toBeGreaterThan(0);
  });

  it('does not pass a model with an error of 1e-2 in a part of any weight', async () => {
    const { tensors } = await openCheckpoint(await source);
    for (const name of [...tensors.keys()].filter((_, i) => i % 3 === 0)) {
      const damaged = copyFolder(await source);
      // Of an embedding, more than one row: the text need not contain the first token.
      await addToWeight(damaged, name, 1e-2, name.includes('embed') ? 1000 : 7);
      const { verdict, maxLogit, tolerance } = await certify(await device, await source, damaged);
      expect({ name, verdict, over: maxLogit > tolerance }).toEqual({ name, verdict: 'failed', over: true });
    }
  });

  it('does not pass a damaged grown model, nor one without a promise that is not finite', async () => {
    const out = await growTiny(await source, 'hypercloning');
    expect(await certify(await device, await source, out)).toMatchObject({ verdict: 'passed' });
    const { tensors } = await openCheckpoint(out);
    const name = [...tensors.keys()].find((key) => key.endsWith('weight'))!;
    const damaged = copyFolder(out);
    await addToWeight(damaged, name, 1e-2);
    expect(await certify(await device, await source, damaged)).toMatchObject({ verdict: 'failed' });
    const record = join(damaged, 'growth.json');
    const growth = JSON.parse(readFileSync(record, 'utf8')) as { plan: { promise: { kind: string } } };
    growth.plan.promise.kind = 'none';
    writeFileSync(record, JSON.stringify(growth));
    const measured = await certify(await device, await source, damaged);
    expect(measured).toMatchObject({ verdict: 'measured', promise: 'none' });
    expect(measured.kl).toBeGreaterThan(0);
    await addToWeight(damaged, name, 3e38);
    await addToWeight(damaged, name, 1e38);
    await certify(await device, await source, damaged).then(
      (certificate) => {
        expect(certificate.verdict).toBe('failed');
        expect(certificate.nonFinite).toBeGreaterThan(0);
      },
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'checkpoint/not-finite' });
      },
    );
  });

  it('can be cancelled while text is sampled, and while it is compared', async () => {
    for (const files of [undefined, { data: [textFile], contextLength: 2 }]) {
      const { signal, abort } = createAborter();
      const onProgress = files ? abort : undefined;
      if (!files) setTimeout(abort, 1);
      await expectAppError('cancelled', async () =>
        certify(await device, await source, await source, { signal, files, onProgress }),
      );
    }
  });
});

describe('a certificate on the text of files', () => {
  const source = makeTinyCheckpoint('llama', { tokenizer: true });

  it.each([
    ['hypercloning', {}],
    ['vocab', { rows: 'zero' }],
    ['stack', {}],
  ])('has the losses of evaluate for %s', async (title, options) => {
    const grown = await growTiny(await source, title, options);
    const files = { data: [textFile], contextLength: 24, tokens: 700 };
    const certificate = await certify(await device, await source, grown, { files });
    expect(certificate.tokens).toBe(29 * 24);
    expect(certificate.lossSource).toBeCloseTo(await evaluateLoss(await source, 24, 700), 6);
    expect(certificate.lossGrown).toBeCloseTo(await evaluateLoss(grown, 24, 700), 6);
    expect(certificate.text).toMatch(/^text\.txt, the beginning of [\d\u202f]+ tokens$/);
  });

  it('of a vocabulary growth counts new tokens: old logits stay, perplexity does not', async () => {
    const grown = await growTiny(await source, 'vocab', { rows: 'zero' });
    const files = { data: [textFile], contextLength: 24 };
    const certificate = await certify(await device, await source, grown, { files });
    expect(certificate).toMatchObject({ promise: 'old-logits', verdict: 'passed', maxLogit: 0 });
    const { vocab, newTokenShare, kl, lossSource, lossGrown } = certificate;
    expect(vocab!.grown).toBeGreaterThan(vocab!.source);
    expect(newTokenShare).toBeGreaterThan(0.05);
    expect(kl).toBeGreaterThan(0.05);
    // The text has no new token, so every loss rises by what new tokens take.
    expect(lossGrown - lossSource).toBeCloseTo(kl, 5);
  });

  it('has the worst positions with their text', async () => {
    const damaged = copyFolder(await source);
    await addToWeight(damaged, 'model.embed_tokens.weight', 0.3, 3000);
    const certificate = await certify(await device, await source, damaged, {
      files: { data: [textFile], contextLength: 16 },
    });
    const text = readFileSync(textFile, 'utf8');
    const [worst] = certificate.worst!;
    expect(worst!.maxLogit).toBe(certificate.maxLogit);
    for (const { context, next, position, token } of certificate.worst!) {
      expect(token % 16).toBe(position);
      // Special tokens of the document are part of the context of the first positions.
      if (token > 40) expect(text).toContain(context.slice(-8) + next);
    }
  });

  it('has the mean loss of each position, and every logit difference in its histogram', async () => {
    const grown = await growTiny(await source, 'stack');
    const certificate = await certify(await device, await source, grown, {
      files: { data: [textFile], contextLength: 32 },
    });
    const { byPosition, histogram, tokens, vocab, lossGrown } = certificate;
    expect(byPosition!.source).toHaveLength(32);
    expect(byPosition!.grown.reduce((a, b) => a + b, 0) / 32).toBeCloseTo(lossGrown, 9);
    expect(histogram!.counts.reduce((a, b) => a + b, 0)).toBe(tokens * vocab!.source);
  });

  it('reports its progress, and stores the certificate only if asked', async () => {
    const grown = await growTiny(await source, 'hypercloning');
    const record = join(grown, 'growth.json');
    const before = readFileSync(record, 'utf8');
    const request = { source: await source, grown, device: 'cpu' } as const;
    const text = { data: [textFile], contextLength: 16, tokens: 320 };
    const events = await collect(certifyJob({ ...request, text }, neverAborted));
    const parts = events.flatMap((event) => (event.type === 'progress' ? [event] : []));
    expect(parts.at(-1)).toMatchObject({ what: 'comparing', done: 320, of: 320 });
    expect(parts.every(({ done, of, seconds }) => done <= of && seconds >= 0)).toBe(true);
    expect(readFileSync(record, 'utf8')).toBe(before);
    const saved = await collect(certifyJob({ ...request, text, save: true }, neverAborted));
    const { certificate } = saved.at(-1) as Extract<CertifyEvent, { type: 'done' }>;
    expect((await openCheckpoint(grown)).growth!.certificate).toEqual(certificate);
    expect(certificate.tokens).toBe(320);
  });

  it('of a growth is on the given text, which is refused before the growth if it has a fault', async () => {
    const plan = await planFor(await source, growthNamed('hypercloning'));
    const growOn = (data: string, out: string): ReturnType<typeof grow> => {
      const certificateText = { data: [data], contextLength: 16, tokens: 160 };
      return grow({ source: sourceDir, out, plan, device: 'cpu', certificateText }, neverAborted);
    };
    const sourceDir = await source;
    const events = await collect(growOn(textFile, freePath('grown')));
    const types = events.map((event) =>
      event.type === 'certifying' ? (event.what ?? 'certifying') : event.type,
    );
    expect(types[0]).toBe('tokenizing');
    expect(types.indexOf('tensor')).toBeLessThan(types.indexOf('certifying'));
    expect(types.at(-2)).toBe('comparing');
    expect(events.at(-1)).toMatchObject({
      certificate: { tokens: 160, text: expect.stringMatching(/^text\.txt/) },
    });

    const out = freePath('grown');
    const seen: string[] = [];
    await expectAppError('file/not-found', async () => {
      for await (const event of growOn('/nowhere/text.txt', out)) seen.push(event.type);
    });
    expect(seen).not.toContain('tensor');
    expect(existsSync(out)).toBe(false);
  });

  it('refuses a context that is longer than the positions of the source', async () => {
    const short = await makeTinyCheckpoint('gpt2', { tokenizer: true });
    const { dims } = await openCheckpoint(short);
    await expectAppError('run/bad-setting', async () =>
      certify(await device, short, short, {
        files: { data: [textFile], contextLength: dims['positions']! + 1 },
      }),
    );
  });
});

it('refuses a smaller vocabulary, and promises no probabilities for a larger one', async () => {
  const small = await makeTinyCheckpoint('llama');
  const large = await makeTinyCheckpoint('llama', { dims: { vocab: 65 } });
  await expectAppError('checkpoint/unsupported', async () => certify(await device, large, small));
  // The first 64 rows of both embeddings are equal.
  const certificate: Certificate = await certify(await device, small, large);
  expect(certificate).toMatchObject({ maxLogit: 0, verdict: 'passed', promise: 'old-logits' });
  expect(certificate.lossGrown).toBeGreaterThan(certificate.lossSource);
  expect(certificate.text).toMatch(/random text, because no tokenizer can be used/);
  await addToWeight(large, [...(await openCheckpoint(large)).tensors.keys()][0]!, 1e-2, 7);
  expect(await certify(await device, small, large)).toMatchObject({ verdict: 'failed' });
});
