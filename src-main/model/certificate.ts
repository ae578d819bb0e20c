/**
 * @file The certificate of a growth: how far the grown model is from its source on the same text. Stored in
 * growth.json; certificates of earlier versions are translated.
 */
import { z } from 'zod';
import { deviceKinds, type DeviceKind } from '../base/device.ts';
import { promiseKinds, upgradePromise, type PromiseKind } from './promise.ts';

export const certificateVersion = 2;

/**
 * Differences of two models on the same tokens. Losses, KL divergence and top-1 agreement are over the whole
 * softmax of each model; differences of logits are over the tokens of the source.
 */
export interface ModelDifference {
  /** Positions at which the models were compared. Each has a next token. */
  readonly tokens: number;
  /** Positions where a logit is infinite or NaN. All other numbers leave them out. */
  readonly nonFinite: number;
  /** Largest absolute difference of a logit. */
  readonly maxLogit: number;
  /** Root mean square of the source's logits, as the scale for `maxLogit`. */
  readonly rmsLogit: number;
  /** Mean KL divergence from source to grown model, nats per token. */
  readonly kl: number;
  /** Mean next-token loss in nats. */
  readonly lossSource: number;
  readonly lossGrown: number;
  /** Top-1 agreement: the share of positions where both models rank the same token first. */
  readonly agreement: number;
  /** Mean probability that the grown model gives to tokens that the source does not have. */
  readonly newTokenShare: number;
}

/**
 * What the comparison says about the promise. `passed`: function-preserving or old logits, and all compared
 * logits are within the tolerance. `failed`: they are not, or a logit is not finite. `measured`: nothing was
 * promised, and the numbers are the distance.
 */
export const verdicts = ['passed', 'failed', 'measured'] as const;
export type Verdict = (typeof verdicts)[number];

/** How many logit differences fall between two edges. */
export interface DifferenceHistogram {
  /** Ascending. Bin i holds differences above edge i - 1 and up to edge i; the last bin those above all edges. */
  readonly edges: readonly number[];
  /** One more than `edges`. */
  readonly counts: readonly number[];
}

/** Mean losses by position in the window. */
export interface LossByPosition {
  /** Positions that each entry covers; the last may cover fewer. */
  readonly width: number;
  readonly source: readonly number[];
  readonly grown: readonly number[];
}

/** A position at which the models differ most. */
export interface WorstPosition {
  /** Number of tokens of the text before it. */
  readonly token: number;
  /** Position in its window, from 0. */
  readonly position: number;
  /** The text that the models read last, and the token that follows. */
  readonly context: string;
  readonly next: string;
  /** The token that each model ranks first. */
  readonly topSource: string;
  readonly topGrown: string;
  readonly maxLogit: number;
  readonly kl: number;
  readonly lossSource: number;
  readonly lossGrown: number;
}

/** The result of comparing a grown model with its source on the same text. */
export interface Certificate extends ModelDifference {
  readonly version: typeof certificateVersion;
  readonly promise: PromiseKind;
  readonly verdict: Verdict;
  /** The promise of each stage of a recipe that has several. */
  readonly stages?: readonly { readonly method: string; readonly promise: PromiseKind }[];
  /** The largest `maxLogit` that counts as equal for the element types used. */
  readonly tolerance: number;
  /** Tokens in the softmax of each model. Absent in certificates of version 1. */
  readonly vocab?: { readonly source: number; readonly grown: number };
  /**
   * Over which tokens losses, KL divergence and agreement are. `old-tokens` only in certificates of version 1 of
   * a vocabulary growth, which left new tokens out of the grown model's softmax.
   */
  readonly softmax: 'all-tokens' | 'old-tokens';
  /** What the text is: names of files, or the built-in text. */
  readonly text: string;
  /** Tokens that are read at once. Absent in certificates of version 1. */
  readonly contextLength?: number;
  readonly device: DeviceKind;
  readonly histogram?: DifferenceHistogram;
  readonly byPosition?: LossByPosition;
  /** By the largest logit difference, or by KL divergence if nothing or only old logits were promised. */
  readonly worst?: readonly WorstPosition[];
}

/** Bounds of what growth.json stores. */
export const certificateLimits = { bins: 32, positions: 256, worst: 10, text: 400 } as const;

// As in contract/schema.ts: whichever module loads first must set it.
z.config({ jitless: true });

const number = z.number();
const count = z.number().int().min(0);
const share = z.number().min(0).max(1);
const text = z.string().max(10_000);
const snippet = z.string().max(certificateLimits.text);
const promise = z.enum(promiseKinds);
const stages = z.array(z.object({ method: text, promise })).optional();
const losses = z.array(number).max(certificateLimits.positions);

const common = {
  tokens: count,
  maxLogit: number,
  rmsLogit: number,
  kl: number,
  lossSource: number,
  lossGrown: number,
  agreement: share,
  tolerance: number,
  device: z.enum(deviceKinds),
  text,
};

const worstPosition = z.object({
  token: count,
  position: count,
  context: snippet,
  next: snippet,
  topSource: snippet,
  topGrown: snippet,
  maxLogit: number,
  kl: number,
  lossSource: number,
  lossGrown: number,
});

/** A certificate of the current version. */
export const currentCertificate = z.object({
  ...common,
  version: z.literal(certificateVersion),
  promise,
  verdict: z.enum(verdicts),
  stages,
  nonFinite: count,
  newTokenShare: share,
  vocab: z.object({ source: count, grown: count }).optional(),
  softmax: z.enum(['all-tokens', 'old-tokens']),
  contextLength: count.optional(),
  histogram: z
    .object({ edges: z.array(number), counts: z.array(count).max(certificateLimits.bins) })
    .refine(({ edges, counts }) => counts.length === edges.length + 1, 'a histogram has one count per bin')
    .optional(),
  byPosition: z.object({ width: count.min(1), source: losses, grown: losses }).optional(),
  worst: z.array(worstPosition).max(certificateLimits.worst).optional(),
});

/** JSON has no NaN: version 1 wrote null for the numbers of a model whose logits were not finite. */
const numberOrNull = number.nullable();
const version1 = z.object({
  ...common,
  maxLogit: numberOrNull,
  rmsLogit: numberOrNull,
  kl: numberOrNull,
  lossSource: numberOrNull,
  lossGrown: numberOrNull,
  promise,
  passed: z.boolean(),
  stages,
});

export type CertificateReading = { readonly certificate: Certificate } | { readonly problem: string };

/**
 * Reads a certificate of any version. `method` are the ids of the growth's methods, as growth.json has them:
 * "hypercloning + identity".
 */
export function readCertificate(json: unknown, method: string): CertificateReading {
  const { version } = json as { readonly version?: unknown };
  if (version === undefined) return readVersion1(json, method);
  if (typeof version === 'number' && version > certificateVersion)
    return {
      problem: `its certificate has version ${version}, and this Cambium reads up to ${certificateVersion}`,
    };
  const read = currentCertificate.safeParse(json);
  return read.success ? { certificate: read.data as Certificate } : { problem: describeProblem(read.error) };
}

function readVersion1(json: unknown, method: string): CertificateReading {
  const methods = method.split(' + ');
  const { promise: kind, stages: old } = json as { readonly promise?: unknown; readonly stages?: unknown };
  const upgraded = {
    ...(json as object),
    promise: upgradePromise(kind, methods),
    ...(Array.isArray(old) ? { stages: old.map(upgradeStage) } : {}),
  };
  const read = version1.safeParse(upgraded);
  if (!read.success) return { problem: describeProblem(read.error) };
  const {
    passed,
    maxLogit,
    rmsLogit,
    kl,
    lossSource,
    lossGrown,
    stages: upgradedStages,
    ...rest
  } = read.data;
  const isFinite = maxLogit !== null;
  const verdict: Verdict = !isFinite || !passed ? 'failed' : rest.promise === 'none' ? 'measured' : 'passed';
  const certificate: Certificate = {
    ...rest,
    ...(upgradedStages ? { stages: upgradedStages } : {}),
    version: certificateVersion,
    verdict,
    nonFinite: isFinite ? 0 : rest.tokens,
    maxLogit: maxLogit ?? 0,
    rmsLogit: rmsLogit ?? 0,
    kl: kl ?? 0,
    lossSource: lossSource ?? 0,
    lossGrown: lossGrown ?? 0,
    newTokenShare: 0,
    softmax: upgradePromise('exact', methods) === 'old-logits' ? 'old-tokens' : 'all-tokens',
  };
  return { certificate };
}

function upgradeStage(stage: unknown): unknown {
  const { method, promise: kind } = (stage ?? {}) as {
    readonly method?: unknown;
    readonly promise?: unknown;
  };
  return { ...(stage as object), promise: upgradePromise(kind, [method]) };
}

function describeProblem({ issues }: z.ZodError): string {
  const { path, message } = issues[0]!;
  return `certificate.${path.map(String).join('.')}: ${message}`;
}
