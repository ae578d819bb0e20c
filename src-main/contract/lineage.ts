/**
 * @file Where checkpoints come from: source → grown → trained → exported, as nodes and the edges between
 * them.
 */
import type { RunState } from '../train/run.ts';

export interface LineageNode {
  /** A checkpoint's folder or a run's. */
  readonly dir: string;
  readonly kind: 'checkpoint' | 'run';
  readonly name: string;
  /** Of a run: its id, its state, and its last losses. */
  readonly run?: {
    readonly id: string;
    readonly state: RunState;
    readonly loss: number | null;
    readonly heldOutLoss: number | null;
  };
  /** Its folder is gone; it is known from what came of it. */
  readonly gone?: true;
}

/**
 * `proof`: of a growth, whether its certificate passed and the largest difference of a logit; null when it
 * was not made.
 */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: 'grown' | 'trained' | 'exported';
  /** The growth's methods, the run's tokens, the exported step. */
  readonly what: string;
  readonly proof?: {
    readonly passed: boolean;
    readonly promise: 'exact' | 'approximate';
    readonly maxLogit: number;
  } | null;
}

export interface Lineage {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
}
