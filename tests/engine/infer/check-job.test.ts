/** @file The check of a reading tells a trained model from a misread and from an untrained one. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkReading } from '../../../src-main/engine/infer/check-job.ts';
import type { CheckResult } from '../../../src-main/contract/schema.ts';
import { toyCorpus } from '../../../src-main/train/toy-corpus.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { root } from '../../support/test-service.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { neverAborted } from '../workbench.ts';

/** A trained model, and a text like those that it was trained on. */
const trained = join(root, 'resources', 'demo', 'seedling');
const text = join(freshFolder(), 'text.txt');

/** The trained model with other keys in config.json, which fit its weights. */
function misread(changes: Readonly<Record<string, unknown>>): string {
  const dir = freePath('misread');
  cpSync(trained, dir, { recursive: true });
  const path = join(dir, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...config, ...changes }));
  return dir;
}

const check = (dir: string, file?: string): Promise<CheckResult> =>
  checkReading({ dir, device: 'cpu', ...(file === undefined ? {} : { text: file }) }, neverAborted);

beforeAll(() => {
  writeFileSync(text, toyCorpus(20_000, { seed: 5 }));
});

describe('checkReading', () => {
  it('finds a trained model plausible on a text that it knows', async () => {
    const result = await check(trained, text);
    expect(result).toMatchObject({ verdict: 'plausible', nonFinite: 0, device: 'cpu' });
    expect(result.loss).toBeLessThan(result.unigram / 3);
    expect(result.uniform).toBeCloseTo(Math.log(1024), 10);
    expect(result.text).toContain('text.txt');
  });

  it.each([
    ['another rotary base', { rope_theta: 100 }],
    ['scaled positions', { rope_scaling: { rope_type: 'linear', factor: 4 } }],
    ['other groups of heads', { num_attention_heads: 8, num_key_value_heads: 4, head_dim: 16 }],
  ])('finds %s implausible', async (_, changes) => {
    expect((await check(misread(changes), text)).verdict).toBe('implausible');
  });

  it('has a text of its own', async () => {
    const result = await check(trained);
    expect(result.text).toBe('built-in English text');
    expect(result.tokens).toBeGreaterThan(500);
    expect(result.contextLength).toBe(128);
  });

  it('recognises random weights', async () => {
    const dir = await makeTinyCheckpoint('llama', { tokenizer: true, dims: { hidden: 64, group: 8 } });
    const result = await check(dir);
    expect(result.verdict).toBe('untrained-looking');
    expect(result.entropy).toBeLessThanOrEqual(result.uniform);
  });

  it('needs a tokenizer', async () => {
    const dir = await makeTinyCheckpoint('gpt2');
    await expectAppError('checkpoint/no-tokenizer', () => check(dir));
  });
});
