/** @file Models of the Hugging Face Hub as they are shown, judged, fetched and pushed: what travels. */
import type { ErrorData } from '../base/errors.ts';
import type { CheckpointSummary } from './summary.ts';

/** Whether the authors ask for consent first, and who gives it. */
export type Gate = false | 'auto' | 'manual';

/** One line of a search. `why` is what already its search entry says against growing it. */
export interface HubHit {
  readonly repo: string;
  readonly family: string | null;
  readonly parameters: number | null;
  readonly licence: string | null;
  readonly downloads: number;
  readonly likes: number;
  /** ISO 8601. */
  readonly updated: string;
  readonly gated: Gate;
  readonly private: boolean;
  readonly why: ErrorData | null;
}
/** `next` asks for the following page; null at the end. */
export interface HubPage {
  readonly hits: readonly HubHit[];
  readonly next: string | null;
}

/**
 * A file that is fetched. `etag` names its blob: the SHA-256 of a large file, the git hash of a small one.
 */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  readonly etag: string;
  readonly sha256: boolean;
}
/** The files of one commit that make a model; `revision` is what was asked for. */
export interface HubSnapshot {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * A model judged from its config.json and shard headers. Where `why` is set, it cannot be grown and `card` is
 * null.
 */
export interface HubModelInfo extends HubSnapshot {
  /** Its page. */
  readonly url: string;
  readonly gated: Gate;
  readonly private: boolean;
  readonly licence: string | null;
  readonly downloads: number;
  readonly likes: number;
  readonly updated: string;
  /** Of the files that are fetched, and of those that are not needed. */
  readonly bytes: number;
  readonly skipped: { readonly files: number; readonly bytes: number };
  readonly why: ErrorData | null;
  readonly card: CheckpointSummary | null;
}

/**
 * A snapshot in the Hugging Face cache, whoever put it there. `own`: Cambium fetched it and checked every
 * hash.
 */
export interface HubCached {
  readonly repo: string;
  readonly commit: string;
  /** Branches and tags that point to it here. */
  readonly refs: readonly string[];
  readonly dir: string;
  readonly bytes: number;
  readonly family: string | null;
  readonly why: ErrorData | null;
  readonly own: boolean;
}

/** A download that has begun and is not whole. `elsewhere`: another process of Cambium is at it. */
export interface HubPartial {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly done: number;
  readonly bytes: number;
  readonly state: 'paused' | 'elsewhere';
}

export type DownloadEvent =
  | {
      readonly type: 'bytes';
      readonly done: number;
      readonly of: number;
      readonly perSecond: number;
      readonly files: number;
      readonly ofFiles: number;
      readonly now: readonly string[];
    }
  | { readonly type: 'paused'; readonly done: number; readonly of: number }
  | {
      readonly type: 'done';
      readonly repo: string;
      readonly commit: string;
      readonly dir: string;
      readonly bytes: number;
      readonly seconds: number;
    };

export interface PushFile {
  readonly path: string;
  readonly bytes: number;
}
/** What a push would do; nothing is changed by asking. `account` owns the token. */
export interface PushPlan {
  readonly dir: string;
  readonly repo: string;
  readonly account: string;
  readonly exists: boolean;
  readonly private: boolean;
  readonly files: readonly PushFile[];
  readonly bytes: number;
  readonly url: string;
}
export type PushEvent =
  | {
      readonly type: 'bytes';
      readonly phase: 'hashing' | 'uploading' | 'committing';
      readonly done: number;
      readonly of: number;
      readonly perSecond: number;
      readonly now: string;
    }
  | {
      readonly type: 'done';
      readonly repo: string;
      readonly commit: string;
      readonly url: string;
      readonly files: number;
      readonly bytes: number;
      readonly private: boolean;
    };

/** Whose token is used, and where it comes from; `error` says why it is of no use. */
export interface HubAccount {
  readonly endpoint: string;
  readonly cache: string;
  readonly offline: boolean;
  readonly from: 'HF_TOKEN' | 'the key store' | 'memory' | 'the token file' | null;
  readonly name: string | null;
  readonly write: boolean | null;
  readonly error: ErrorData | null;
  /** Where a token that is set here is kept. */
  readonly keeps: 'key store' | 'memory';
}
