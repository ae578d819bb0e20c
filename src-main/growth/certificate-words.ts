/** @file A certificate in words: its result, and its numbers as rows of a table. */
import { formatInteger, formatNumber, formatPercent } from '../base/format.ts';
import type { Certificate, ModelDifference, Verdict } from '../model/certificate.ts';
import { promiseLabels, type PromiseKind } from '../model/promise.ts';

export interface CertificateWords {
  /** The result in a few words. */
  readonly title: string;
  /** What was measured on how many tokens, and what was not preserved. */
  readonly explanation: string;
}

/** A row of the table of a certificate; `note` says in what the value is measured. */
export interface CertificateRow {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

const formatDelta = (logit: number): string => formatNumber(logit, 3);
const formatPerplexity = (loss: number): string => formatNumber(Math.exp(loss), 4);

/** `perplexity 79.69 → 86.49`. */
export const describePerplexity = ({ lossSource, lossGrown }: ModelDifference): string =>
  `perplexity ${formatPerplexity(lossSource)} → ${formatPerplexity(lossGrown)}`;

const agreementDigits = (agreement: number): number => (agreement === 1 ? 0 : 2);

/** The result of a certificate. */
export function describeCertificate(c: Certificate): CertificateWords {
  const explanation = [...explain(c), ...explainSoftmax(c)].join(' ');
  return { title: titleOf(c.verdict, c.promise), explanation };
}

function titleOf(verdict: Verdict, promise: PromiseKind): string {
  if (verdict === 'failed') return 'The grown model is not what the plan promised';
  if (verdict === 'measured') return 'Not function-preserving: the distance was measured';
  return promise === 'old-logits'
    ? 'Logits of old tokens preserved; probabilities are not'
    : 'Function-preserving, as measured on this text';
}

function explain(c: Certificate): readonly string[] {
  const positions = `${formatInteger(c.tokens)} positions`;
  const tolerance = `the tolerance of ${formatDelta(c.tolerance)} for rounding`;
  if (c.nonFinite > 0)
    return [
      `Logits are not finite at ${formatInteger(c.nonFinite)} of ${positions}. Please report this growth.`,
    ];
  if (c.rmsLogit === 0)
    return [`All logits of the source are zero at ${positions}, so nothing was compared.`];
  if (c.verdict === 'failed')
    return [
      `The largest difference of a logit is ${formatDelta(c.maxLogit)}, above ${tolerance}.`,
      'Please report this growth.',
    ];
  if (c.verdict === 'measured')
    return [`On ${positions}: ${describePerplexity(c)}, ${describeAgreement(c)}.`];
  const old = c.promise === 'old-logits' ? 'of old tokens ' : '';
  const equal = `All logits ${old}at ${positions} are equal within ${tolerance}.`;
  return c.promise === 'old-logits' ? [equal, explainNewTokens(c)] : [equal];
}

const describeAgreement = ({ agreement }: Certificate): string =>
  `top-1 agreement ${formatPercent(agreement, agreementDigits(agreement))}`;

function explainNewTokens(c: Certificate): string {
  if (c.softmax === 'old-tokens') return 'New tokens take a share of every softmax.';
  const share = formatPercent(c.newTokenShare, 2);
  return `New tokens take ${share} of the probability: ${describePerplexity(c)}.`;
}

const explainSoftmax = ({ softmax }: Certificate): readonly string[] =>
  softmax === 'old-tokens'
    ? [
        'This certificate is of an earlier version, whose losses and KL divergence leave out new tokens; verify ' +
          'again to measure them.',
      ]
    : [];

/** All numbers of a certificate, with what was compared. */
export function listCertificateRows(c: Certificate): readonly CertificateRow[] {
  const isAll = c.softmax === 'all-tokens';
  const isLarger = c.vocab !== undefined && c.vocab.grown > c.vocab.source;
  const compared = isLarger || !isAll ? 'logits of old tokens' : 'all logits';
  const rows: CertificateRow[] = [
    { label: 'Promise', value: promiseLabels[c.promise] },
    {
      label: 'Largest logit difference',
      value: formatDelta(c.maxLogit),
      note: `${compared}; tolerance ${formatDelta(c.tolerance)}, RMS of the logits ${formatNumber(c.rmsLogit, 3)}`,
    },
    { label: 'KL divergence', value: formatNumber(c.kl, 3), note: `nats per token, ${describeSoftmax(c)}` },
    {
      label: 'Loss',
      value: `${formatNumber(c.lossSource, 5)} → ${formatNumber(c.lossGrown, 5)}`,
      note: 'nats per token, source → grown model',
    },
    { label: 'Perplexity', value: `${formatPerplexity(c.lossSource)} → ${formatPerplexity(c.lossGrown)}` },
    {
      label: 'Top-1 agreement',
      value: formatPercent(c.agreement, agreementDigits(c.agreement)),
      note: `of ${formatInteger(c.tokens)} positions`,
    },
  ];
  if (isLarger)
    rows.push({
      label: 'Probability of new tokens',
      value: formatPercent(c.newTokenShare, 2),
      note: `${formatInteger(c.vocab!.grown - c.vocab!.source)} new tokens together`,
    });
  const windows = c.contextLength === undefined ? '' : ` in windows of ${formatInteger(c.contextLength)}`;
  rows.push(
    { label: 'Text', value: c.text, note: `${formatInteger(c.tokens)} tokens${windows}` },
    { label: 'Device', value: c.device, note: 'computed in float32' },
  );
  if (c.stages)
    rows.push({
      label: 'Stages',
      value: c.stages.map((stage) => `${stage.method}: ${promiseLabels[stage.promise]}`).join('; '),
      note: 'measured over all of them',
    });
  return rows;
}

function describeSoftmax({ softmax, vocab }: Certificate): string {
  if (softmax === 'old-tokens') return 'without the new tokens';
  return vocab ? `over all ${formatInteger(vocab.grown)} tokens` : 'over all tokens';
}

/** The bin of a histogram of differences that ends at an edge, or that begins at the last one: `≤ 1e-4`, `> 10`. */
export function describeBin(edges: readonly number[], bin: number): string {
  const format = (edge: number): string => (edge < 1e-3 ? edge.toExponential() : String(edge));
  const upper = edges[bin];
  return upper === undefined ? `> ${format(edges.at(-1)!)}` : `≤ ${format(upper)}`;
}
