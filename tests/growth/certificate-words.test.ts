/** @file A certificate in words, and as a report to download. */
import { describe, expect, it } from 'vitest';
import { formatReport } from '../../src-main/growth/certificate-report.ts';
import { describeCertificate, listCertificateRows } from '../../src-main/growth/certificate-words.ts';
import type { Certificate } from '../../src-main/model/certificate.ts';
import { certificate as passed } from '../support/fake-engine.ts';

const certificate: Certificate = {
  ...passed,
  tokens: 1000,
  lossSource: Math.log(79.7),
  lossGrown: Math.log(86.5),
  kl: 0.0819,
  newTokenShare: 0.0786,
  agreement: 0.5,
};
const numberOf = (words: string): string => words.replaceAll('\u202f', ' ');
const explain = (change: Partial<Certificate>): string =>
  numberOf(describeCertificate({ ...certificate, ...change }).explanation);

describe('a certificate in words', () => {
  it('says that a function was preserved only for what was compared', () => {
    expect(describeCertificate(certificate).title).toBe('Function-preserving, as measured on this text');
    expect(explain({})).toBe(
      'All logits at 1 000 positions are equal within the tolerance of 1.0e-4 for rounding.',
    );
  });

  it('of a vocabulary growth says that probabilities are not preserved, with both perplexities', () => {
    const grown = { promise: 'old-logits', vocab: { source: 100, grown: 104 } } as const;
    expect(describeCertificate({ ...certificate, ...grown }).title).toBe(
      'Logits of old tokens preserved; probabilities are not',
    );
    expect(explain(grown)).toMatch(/^All logits of old tokens at 1 000 positions are equal/);
    expect(explain(grown)).toMatch(
      /New tokens take 7\.86 % of the probability: perplexity 79\.70 → 86\.50\.$/,
    );
    const rows = listCertificateRows({ ...certificate, ...grown });
    expect(rows.find(({ label }) => label === 'Probability of new tokens')).toMatchObject({
      value: '7.86 %',
    });
    expect(rows.find(({ label }) => label === 'Largest logit difference')!.note).toMatch(
      /^logits of old tokens/,
    );
  });

  it('claims nothing where nothing was promised', () => {
    const words = describeCertificate({ ...certificate, promise: 'none', verdict: 'measured' });
    expect(words.title).toBe('Not function-preserving: the distance was measured');
    expect(words.explanation).toMatch(/perplexity 79\.70 → 86\.50, top-1 agreement 50\.00 %/);
    expect(`${words.title} ${words.explanation}`).not.toMatch(/proven|passed|equal|same/i);
  });

  it('says what failed', () => {
    expect(explain({ verdict: 'failed', maxLogit: 0.3 })).toMatch(/0\.300, above the tolerance of 1\.0e-4/);
    expect(explain({ verdict: 'failed', nonFinite: 7 })).toMatch(
      /^Logits are not finite at 7 of 1 000 positions/,
    );
    expect(explain({ verdict: 'failed', rmsLogit: 0 })).toMatch(/all zero|are zero/);
  });

  it('of an earlier version says that new tokens were left out', () => {
    const old = { promise: 'old-logits', softmax: 'old-tokens' } as const;
    expect(explain(old)).toMatch(/earlier version.*leave out new tokens/);
    expect(explain(old)).not.toMatch(/perplexity/);
    const kl = listCertificateRows({ ...certificate, ...old }).find(({ label }) => label === 'KL divergence');
    expect(kl!.note).toMatch(/without the new tokens/);
  });
});

describe('a report', () => {
  const subject = { source: 'small <b>', grown: 'large & wide' };
  const full: Certificate = {
    ...certificate,
    text: '<script>alert(1)</script>.txt',
    histogram: { edges: [1e-6, 1e-3], counts: [900, 99, 1] },
    byPosition: { width: 2, source: [3, 2.5, 2], grown: [3.1, 2.6, 2.1] },
    worst: [
      {
        token: 12,
        position: 4,
        context: 'a <img src=x onerror=alert(1)> "quote"',
        next: "it's",
        topSource: '&',
        topGrown: '>',
        maxLogit: 0.5,
        kl: 0.2,
        lossSource: 1,
        lossGrown: 2,
      },
    ],
  };

  it('as JSON has the certificate', () => {
    expect(JSON.parse(formatReport(full, subject, 'json'))).toEqual({ ...subject, certificate: full });
  });

  it('as a page has every number, loads nothing, and shows texts as texts', () => {
    const page = formatReport(full, subject, 'html');
    expect(page).not.toMatch(/<script|<img|https?:/);
    expect(page).toContain('&#60;script&#62;');
    expect(page).toContain('large &#38; wide');
    for (const { label } of listCertificateRows(full)) expect(page).toContain(`>${label}<`);
    expect(page.match(/<polyline/g)).toHaveLength(2);
    expect(page.match(/class="bar"/g)).toHaveLength(3);
    expect(page).toContain('it&#39;s');
  });

  it('as a page leaves out what a certificate does not have', () => {
    expect(formatReport(certificate, subject, 'html')).not.toMatch(/<svg|Positions that differ/);
  });
});
