/** @file The lineage of checkpoints (source → grown → trained → exported) as a graph. */
import type { RunState } from '../train/run.ts';

export interface LineageNode {
  /** The folder of a checkpoint or of a run. */
  readonly dir: string;
  readonly kind: 'checkpoint' | 'run';
  readonly name: string;
  /** Only for a run. */
  readonly run?: {
    readonly id: string;
    readonly state: RunState;
    /** The last losses, in nats. */
    readonly loss: number | null;
    readonly heldOutLoss: number | null;
  };
  /** The folder no longer exists; the node is known from its descendants. */
  readonly gone?: true;
}

export interface LineageEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: 'grown' | 'trained' | 'exported';
  /** The growth methods, the trained tokens, or the exported step. */
  readonly what: string;
  /** The certificate of a growth: its result and the largest difference of a logit. Null if there is none. */
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
