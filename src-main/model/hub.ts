/** @file What the service reports about models on the Hugging Face Hub: searches, downloads, uploads, accounts. */
import type { ErrorData } from '../base/errors.ts';
import type { CheckpointSummary } from './summary.ts';

/** Whether access must be requested, and who grants it. */
export type Gate = false | 'auto' | 'manual';

/** One search result. `why` is set if its metadata already shows that it cannot be grown. */
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
/** `next` requests the following page; null on the last one. */
export interface HubPage {
  readonly hits: readonly HubHit[];
  readonly next: string | null;
}

/** A file to download. `etag` is the SHA-256 of a large file (`sha256` is true) or the git hash of a small one. */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  readonly etag: string;
  readonly sha256: boolean;
}
/** The files of one commit that make up a model. `revision` is the requested branch, tag or commit. */
export interface HubSnapshot {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** A model on the Hub, read from its config.json and shard headers. */
export interface HubModelInfo extends HubSnapshot {
  /** Its web page. */
  readonly url: string;
  readonly gated: Gate;
  readonly private: boolean;
  readonly licence: string | null;
  readonly downloads: number;
  readonly likes: number;
  readonly updated: string;
  /** Size of the files to download. */
  readonly bytes: number;
  /** Files that Cambium does not need. */
  readonly skipped: { readonly files: number; readonly bytes: number };
  /** Why it cannot be grown; then `card` is null. */
  readonly why: ErrorData | null;
  readonly card: CheckpointSummary | null;
}

/** A snapshot in the Hugging Face cache. `own`: Cambium downloaded it and verified every hash. */
export interface HubCached {
  readonly repo: string;
  readonly commit: string;
  /** Cached branches and tags that point to the commit. */
  readonly refs: readonly string[];
  readonly dir: string;
  readonly bytes: number;
  readonly family: string | null;
  readonly why: ErrorData | null;
  readonly own: boolean;
}

/** An incomplete download. `elsewhere`: another Cambium process is downloading it. */
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
/**
 * What a push would upload. Without the Hub, the files are known all the same: then `account`, `exists` and `private`
 * are null, `repo` is what was asked for, and `blocker` says why it cannot be pushed as things are.
 */
export interface PushPlan {
  readonly dir: string;
  readonly repo: string;
  /** The owner of the token. */
  readonly account: string | null;
  readonly exists: boolean | null;
  readonly private: boolean | null;
  readonly blocker: ErrorData | null;
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

/** The token in use: its owner, its origin, and `error` if the Hub does not accept it. */
export interface HubAccount {
  readonly endpoint: string;
  readonly cache: string;
  readonly offline: boolean;
  readonly from: 'HF_TOKEN' | 'the key store' | 'memory' | 'the token file' | null;
  readonly name: string | null;
  readonly write: boolean | null;
  readonly error: ErrorData | null;
  /** Where a token entered in Cambium is stored. */
  readonly keeps: 'key store' | 'memory';
}
