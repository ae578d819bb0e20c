/** @file The lineage of checkpoints (source → grown → trained → exported) as a graph. */
import type { Certificate } from '../model/certificate.ts';
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
    /** `random`: it started from random weights, and shares only the architecture with its checkpoint. */
    readonly init: 'checkpoint' | 'random';
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
  /**
   * Trained: no weight of `from` went into the run, which started from random weights of its architecture.
   * Exported: the run of the export did.
   */
  readonly init?: 'random';
  /** The certificate of a growth: its result and the largest difference of a logit. Null if there is none. */
  readonly proof?: Pick<Certificate, 'verdict' | 'promise' | 'maxLogit'> | null;
}

export interface Lineage {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
}
