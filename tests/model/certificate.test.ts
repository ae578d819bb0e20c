/** @file Certificates as growth.json stores them: the current version, and those of earlier releases. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  certificateLimits,
  readCertificate,
  type Certificate,
  type CertificateReading,
} from '../../src-main/model/certificate.ts';

const certificate: Certificate = {
  version: 2,
  promise: 'old-logits',
  verdict: 'passed',
  stages: [
    { method: 'hypercloning', promise: 'function-preserving' },
    { method: 'vocab', promise: 'old-logits' },
  ],
  tokens: 4,
  nonFinite: 0,
  maxLogit: 1e-6,
  rmsLogit: 2,
  kl: 0.1,
  lossSource: 2,
  lossGrown: 2.1,
  agreement: 0.75,
  newTokenShare: 0.08,
  tolerance: 2e-4,
  vocab: { source: 100, grown: 104 },
  softmax: 'all-tokens',
  text: 'corpus.txt',
  contextLength: 2,
  device: 'cpu',
  histogram: { edges: [1e-6], counts: [399, 1] },
  byPosition: { width: 1, source: [2, 2], grown: [2.1, 2.1] },
  worst: [
    {
      token: 3,
      position: 1,
      context: 'a b',
      next: 'c',
      topSource: 'c',
      topGrown: 'new',
      maxLogit: 1e-6,
      kl: 0.3,
      lossSource: 1,
      lossGrown: 2,
    },
  ],
};

const read = (json: unknown, method: string): Certificate => {
  const reading = readCertificate(json, method);
  if ('problem' in reading) throw new Error(reading.problem);
  return reading.certificate;
};
const problemOf = (reading: CertificateReading): string => ('problem' in reading ? reading.problem : '');

it('is read as it was written', () => {
  expect(read(JSON.parse(JSON.stringify(certificate)), 'hypercloning + vocab')).toEqual(certificate);
});

describe('a certificate of version 1', () => {
  const fixture = join(import.meta.dirname, '../fixtures/run-v1/grown/growth.json');
  const record = JSON.parse(readFileSync(fixture, 'utf8')) as {
    readonly method: string;
    readonly certificate: Readonly<Record<string, unknown>>;
  };
  const old = record.certificate;

  it('keeps its numbers, and says that it is function-preserving', () => {
    expect(old['promise']).toBe('exact');
    const { passed, ...numbers } = old;
    expect(passed).toBe(true);
    expect(read(old, record.method)).toEqual({
      ...numbers,
      version: 2,
      promise: 'function-preserving',
      verdict: 'passed',
      nonFinite: 0,
      newTokenShare: 0,
      softmax: 'all-tokens',
    });
  });

  it('of a vocabulary growth says that its losses leave out new tokens', () => {
    const stages = [
      { method: 'hypercloning', promise: 'exact' },
      { method: 'vocab', promise: 'exact' },
    ];
    expect(read({ ...old, stages }, 'hypercloning + vocab')).toMatchObject({
      promise: 'old-logits',
      verdict: 'passed',
      softmax: 'old-tokens',
      stages: [
        { method: 'hypercloning', promise: 'function-preserving' },
        { method: 'vocab', promise: 'old-logits' },
      ],
    });
  });

  it('that passed without a promise is a measurement', () => {
    expect(read({ ...old, promise: 'approximate' }, 'stack')).toMatchObject({
      promise: 'none',
      verdict: 'measured',
    });
  });

  it('that did not pass failed', () => {
    expect(read({ ...old, passed: false }, 'hypercloning').verdict).toBe('failed');
  });

  it('of logits that were not finite, which JSON stored as null, failed at every position', () => {
    const notFinite = { ...old, promise: 'approximate', passed: false, maxLogit: null, kl: null };
    expect(read(notFinite, 'stack')).toMatchObject({
      verdict: 'failed',
      nonFinite: old['tokens'],
      maxLogit: 0,
    });
  });
});

// One fault a line: what it is, the change, the problem.
// prettier-ignore
const faults: readonly (readonly [string, object, RegExp])[] = [
  ['a newer version', { version: 3 }, /version 3.* reads up to 2/],
  ['an unknown promise', { promise: 'exact' }, /promise/],
  ['an unknown verdict', { verdict: 'proven' }, /verdict/],
  ['a loss that is not a number', { lossGrown: null }, /lossGrown/],
  ['a share above one', { agreement: 1.5 }, /agreement/],
  ['a histogram with too few counts', { histogram: { edges: [1], counts: [1] } }, /one count per bin/],
  ['more positions than fit', { worst: Array(certificateLimits.worst + 1).fill(certificate.worst![0]) }, /worst/],
];
it.each(faults)('is refused with %s', (_, change, problem) => {
  expect(problemOf(readCertificate({ ...certificate, ...change }, 'vocab'))).toMatch(problem);
});
