/**
 * @file Which probe is trained next, as a function of the plan and of what was measured so far. Nothing else is
 * state, so a bake-off that was killed continues as if it had never stopped.
 *
 * First every candidate is trained with every learning rate, with the first seed, by successive halving. Then
 * each candidate that is left is trained with its best learning rate: with the other seeds, and up to the tokens
 * at which all have used equal FLOPs.
 */
import { candidatesAfter, ratesAfter } from './halving.ts';
import { mean, pairedDifference, type SeedLosses } from './paired.ts';

/** `grown`: by a recipe. The others are always trained to the end, to compare with. */
export type Role = 'grown' | 'random' | 'source';

export interface Contender {
  readonly id: string;
  readonly role: Role;
  /** Tokens after which it has used the FLOPs that all candidates are compared at; at least the probe's. */
  readonly equalFlopsTokens: number;
}

export interface Tournament {
  readonly candidates: readonly Contender[];
  /** Learning rates, increasing. */
  readonly rates: readonly number[];
  readonly seeds: readonly number[];
  /** Tokens of each rung, increasing. The last is the length of a probe. */
  readonly rungs: readonly number[];
}

/** One run: a candidate, a learning rate and a seed. */
export interface Probe {
  readonly candidate: string;
  readonly lr: number;
  readonly seed: number;
}

export interface Measurement extends Probe {
  /** Tokens that the probe was trained on. */
  readonly tokens: number;
  /** The loss of each held-out window, in nats per token; null if the probe diverged. */
  readonly losses: readonly number[] | null;
}

/** Train the probe to `tokens`, and measure it. */
export interface Task extends Probe {
  readonly tokens: number;
}

/** A candidate that is not trained further. */
export interface Dropped {
  readonly candidate: string;
  readonly tokens: number;
  readonly why: 'worse' | 'diverged';
}

/** A candidate that is still trained, and the learning rates that are left. */
interface Remaining extends Contender {
  readonly rates: readonly number[];
}

export interface Standing {
  /** Undefined when nothing is left to do. */
  readonly task: Task | undefined;
  readonly dropped: readonly Dropped[];
  /** The best learning rate so far of each candidate that is not dropped; empty before the first rung is done. */
  readonly rates: Readonly<Record<string, number>>;
  /** Candidates that are trained to the end; empty before the last rung is done. */
  readonly finalists: readonly string[];
}

/** The error rate of all comparisons at a rung together. */
export const errorRate = 0.05;

export const isSameProbe = (a: Probe, b: Probe): boolean =>
  a.candidate === b.candidate && a.lr === b.lr && a.seed === b.seed;

export const findMeasurement = (measurements: readonly Measurement[], task: Task): Measurement | undefined =>
  measurements.find((measured) => measured.tokens === task.tokens && isSameProbe(measured, task));

const lossOf = (measured: Measurement | undefined): number =>
  measured?.losses ? mean(measured.losses) : Infinity;

export function standingOf(
  { candidates, rates, seeds, rungs }: Tournament,
  measurements: readonly Measurement[],
): Standing {
  const dropped: Dropped[] = [];
  let field: readonly Remaining[] = candidates.map((candidate) => ({ ...candidate, rates }));
  let best: Readonly<Record<string, number>> = {};
  const seed = seeds[0]!;
  for (const [i, tokens] of rungs.entries()) {
    const measuredOf = (candidate: string, lr: number): Measurement | undefined =>
      findMeasurement(measurements, { candidate, lr, seed, tokens });
    for (const { id, rates: own } of field)
      for (const lr of own)
        if (!measuredOf(id, lr))
          return { task: { candidate: id, lr, seed, tokens }, dropped, rates: best, finalists: [] };
    const isLast = i === rungs.length - 1;
    const sorted = field.map((candidate) => ({
      ...candidate,
      rates: sortBy(candidate.rates, (lr) => lossOf(measuredOf(candidate.id, lr))),
    }));
    const bestOf = ({ id, rates: own }: Remaining): Measurement => measuredOf(id, own[0]!)!;
    const leaving = new Map(findLeaving(sorted, bestOf, isLast).map((one) => [one.candidate, one]));
    dropped.push(...leaving.values());
    field = sorted
      .filter(({ id }) => !leaving.has(id))
      .map((one) => ({ ...one, rates: one.rates.slice(0, isLast ? 1 : ratesAfter(one.rates.length)) }));
    best = Object.fromEntries(field.map(({ id, rates: own }) => [id, own[0]!]));
  }
  const open = finalTasks(field, seeds, rungs.at(-1)!).find((task) => isOpen(measurements, task));
  return { task: open, dropped, rates: best, finalists: field.map(({ id }) => id) };
}

const sortBy = <T>(items: readonly T[], key: (item: T) => number): readonly T[] =>
  [...items].sort((a, b) => key(a) - key(b));

/**
 * Candidates that leave after a rung: those that diverged with every learning rate, and of the worse half of the
 * grown ones those that are worse than the best beyond doubt. After the last rung only those that diverged.
 */
function findLeaving(
  field: readonly Remaining[],
  bestOf: (candidate: Remaining) => Measurement,
  isLast: boolean,
): readonly Dropped[] {
  const drop = (candidate: Remaining, why: Dropped['why']): Dropped => ({
    candidate: candidate.id,
    tokens: bestOf(candidate).tokens,
    why,
  });
  const diverged = field.filter((one) => bestOf(one).losses === null).map((one) => drop(one, 'diverged'));
  if (isLast) return diverged;
  const grown = sortBy(
    field.filter((one) => one.role === 'grown' && bestOf(one).losses !== null),
    (one) => lossOf(bestOf(one)),
  );
  const kept = candidatesAfter(grown.length);
  const isWorse = (one: Remaining): boolean => {
    const own: SeedLosses = [bestOf(one).losses!];
    const leader: SeedLosses = [bestOf(grown[0]!).losses!];
    return pairedDifference(own, leader, errorRate / (grown.length - 1)).low > 0;
  };
  const worse = grown.slice(kept).filter(isWorse);
  return [...diverged, ...worse.map((one) => drop(one, 'worse'))];
}

/** What is measured of the candidates that are left: at the length of a probe and at equal FLOPs, with every seed. */
const finalTasks = (
  field: readonly Remaining[],
  seeds: readonly number[],
  probeTokens: number,
): readonly Task[] =>
  seeds.flatMap((seed) =>
    field.flatMap(({ id, rates, equalFlopsTokens }) =>
      [...new Set([probeTokens, equalFlopsTokens])].map((tokens) => ({
        candidate: id,
        lr: rates[0]!,
        seed,
        tokens,
      })),
    ),
  );

/** A probe that diverged is not trained further. */
const isOpen = (measurements: readonly Measurement[], task: Task): boolean =>
  !findMeasurement(measurements, task) &&
  !measurements.some((measured) => isSameProbe(measured, task) && measured.losses === null);

/** Tokens that have been trained on: of each probe, those of its newest measurement. */
export function tokensDone(measurements: readonly Measurement[]): number {
  const ends = new Map<string, number>();
  for (const { candidate, lr, seed, tokens } of measurements) {
    const key = JSON.stringify([candidate, lr, seed]);
    ends.set(key, Math.max(ends.get(key) ?? 0, tokens));
  }
  return [...ends.values()].reduce((sum, tokens) => sum + tokens, 0);
}

export interface TokenBounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Tokens that each candidate is trained on, over all its probes. `low`: if as many grown candidates as possible
 * leave after the first rung; which they are is not known, so the sum over all is a lower bound where the cheapest
 * stay.
 */
export function plannedTokens({
  candidates,
  rates,
  seeds,
  rungs,
}: Tournament): readonly (TokenBounds & { readonly id: string })[] {
  let alive = rates.length;
  let ladder = 0;
  for (const [i, tokens] of rungs.entries()) {
    ladder += alive * (tokens - (rungs[i - 1] ?? 0));
    alive = ratesAfter(alive);
  }
  const probe = rungs.at(-1)!;
  const grown = candidates.filter(({ role }) => role === 'grown');
  const mayLeave = rungs.length > 1 ? grown.length - candidatesAfter(grown.length) : 0;
  const leaving = new Set(
    sortBy(grown, ({ equalFlopsTokens }) => -equalFlopsTokens)
      .slice(0, mayLeave)
      .map(({ id }) => id),
  );
  return candidates.map(({ id, equalFlopsTokens }) => {
    const high = ladder + (seeds.length - 1) * probe + seeds.length * (equalFlopsTokens - probe);
    return { id, low: leaving.has(id) ? rates.length * rungs[0]! : high, high };
  });
}
