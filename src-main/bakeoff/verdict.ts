/** @file The ranking of candidates by held-out loss, and what can be concluded from it. */
import { errorRate, type Role } from './tournament.ts';
import { meanLoss, pairedDifference, pooledSeedError, type Difference, type SeedLosses } from './paired.ts';

export interface Entry {
  readonly id: string;
  readonly role: Role;
  readonly losses: SeedLosses;
}

/** How a candidate compares with the leader. */
export type RowVerdict = 'leader' | 'not distinguishable' | 'worse' | 'better';

export interface RankedEntry {
  readonly id: string;
  /** Mean held-out loss over all windows and seeds, in nats per token. */
  readonly loss: number;
  /** Loss minus the leader's; null for the leader. */
  readonly difference: Difference | null;
  readonly verdict: RowVerdict;
}

export interface Ranking {
  /** The best model of the new size. The source is ranked too, but it does not lead: it is not a candidate. */
  readonly leader: string;
  /** The leader, and the candidates that are not distinguishable from it. One alone is the winner. */
  readonly best: readonly string[];
  /** By loss, the best first. */
  readonly rows: readonly RankedEntry[];
}

/**
 * Ranks the entries, all of which read the same windows with the same seeds. The intervals hold together with
 * probability 1 - `errorRate` (Bonferroni). The variance over seeds is pooled over all models that begin with the
 * weights of a checkpoint; random weights vary more, so they are compared by their own. Undefined if there is no
 * candidate beside the source.
 */
export function rank(entries: readonly Entry[]): Ranking | undefined {
  const sorted = entries
    .map((entry) => ({ ...entry, loss: meanLoss(entry.losses) }))
    .sort((a, b) => a.loss - b.loss);
  const leader = sorted.find(({ role }) => role !== 'source');
  if (!leader) return undefined;
  const alpha = errorRate / Math.max(1, sorted.length - 1);
  const pooled = pooledSeedError(entries.filter(({ role }) => role !== 'random').map(({ losses }) => losses));
  const rows = sorted.map(({ id, role, loss, losses }): RankedEntry => {
    if (id === leader.id) return { id, loss, difference: null, verdict: 'leader' };
    const isPooled = role !== 'random' && leader.role !== 'random';
    const difference = pairedDifference(losses, leader.losses, alpha, isPooled ? pooled : undefined);
    return { id, loss, difference, verdict: judge(difference) };
  });
  const isCandidate = ({ id }: RankedEntry): boolean =>
    sorted.find((entry) => entry.id === id)!.role !== 'source';
  const best = rows
    .filter((row) => isCandidate(row) && (row.verdict === 'leader' || row.verdict === 'not distinguishable'))
    .map(({ id }) => id);
  return { leader: leader.id, best: [leader.id, ...best.filter((id) => id !== leader.id)], rows };
}

const judge = ({ low, high }: Difference): RowVerdict => {
  if (low > 0) return 'worse';
  return high < 0 ? 'better' : 'not distinguishable';
};
