/** @file What a bake-off says: its candidates and their probes, the rankings, and what can be concluded. */
import type { Extrapolation, NoExtrapolation, StepLosses } from './extrapolate.ts';
import type { BakeoffEstimate, Candidate } from './state.ts';
import type { Dropped, Probe } from './tournament.ts';
import type { Ranking } from './verdict.ts';

/** A measurement of a probe: mean held-out loss, null if it diverged. */
export interface ProbeReport extends Probe {
  readonly tokens: number;
  readonly loss: number | null;
  /** Folder of the run, in that of the bake-off. */
  readonly run: string;
}

/** What the run of a probe has recorded. */
export interface ProbeCurve {
  /** Training losses by step. */
  readonly losses: StepLosses;
  /** Held-out losses by tokens. */
  readonly heldOut: readonly CurvePoint[];
}

export interface CurvePoint {
  readonly tokens: number;
  readonly loss: number;
}

export interface CandidateReport extends Omit<Candidate, 'requests'> {
  /** Ids of its growth methods, in order. */
  readonly methods: readonly string[];
  /** The best learning rate so far; null before the first rung is done. */
  readonly lr: number | null;
  /** True if the best learning rate is the smallest or the largest that was tried. */
  readonly isAtEdge: boolean;
  readonly dropped: Pick<Dropped, 'tokens' | 'why'> | null;
  readonly probes: readonly ProbeReport[];
  /** Held-out losses of its best probe with the first seed. */
  readonly curve: readonly CurvePoint[];
  /** Its loss at the planned length; null before it is trained to the end. */
  readonly extrapolation: Extrapolation | NoExtrapolation | null;
}

/** What was used, by the records of the runs; null: unknown. */
export interface Spent {
  readonly tokens: number;
  /** Seconds on the device. */
  readonly seconds: number;
  /** Kilowatt-hours. */
  readonly energy: number | null;
  /** US dollars. */
  readonly cost: number | null;
}

/** The run that the leader's probe becomes: `cambium resume RUN --tokens N --schedule wsd`. */
export interface NextRun {
  readonly candidate: string;
  /** Folder of the run, in that of the bake-off. */
  readonly run: string;
  readonly tokens: number;
  readonly schedule: 'wsd';
}

export interface Conclusion {
  /** `open`: it has not finished. `none`: no candidate was left to rank. */
  readonly kind: 'open' | 'none' | 'winner' | 'not distinguishable';
  /** The candidate that is better than all others; null if there is none yet. */
  readonly winner: string | null;
  readonly sentences: readonly string[];
}

export interface BakeoffReport {
  readonly version: 1;
  readonly name: string;
  readonly created: string;
  readonly source: string;
  readonly target: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly probeTokens: number;
  readonly plannedTokens: number;
  readonly rungs: readonly number[];
  readonly rates: readonly number[];
  readonly seeds: readonly number[];
  /** Held-out windows that every comparison uses; 0 before the first measurement. */
  readonly windows: number;
  readonly contextLength: number;
  /** Tokens trained on so far, and at most in all. */
  readonly progress: { readonly done: number; readonly of: number };
  readonly candidates: readonly CandidateReport[];
  readonly leftOut: readonly { readonly id: string; readonly why: string }[];
  /** Null before every candidate is trained to the end. */
  readonly atEqualTokens: Ranking | null;
  readonly atEqualFlops: Ranking | null;
  readonly conclusion: Conclusion;
  readonly next: NextRun | null;
  readonly estimate: BakeoffEstimate;
  readonly spent: Spent;
}
