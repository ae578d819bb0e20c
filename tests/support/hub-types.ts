/** @file Types of the Hub server for tests. */

export interface ModelOptions {
  readonly gated?: 'auto' | 'manual';
  readonly private?: boolean;
  readonly downloads?: number;
  readonly likes?: number;
  readonly updated?: string;
  readonly license?: string;
  readonly library?: string;
  readonly task?: string;
  readonly tags?: readonly string[];
}

export interface StoredFile {
  readonly bytes: Buffer;
  readonly lfs: boolean;
  /** SHA-1 as git computes it. */
  readonly oid: string;
  /** SHA-256 of the content. */
  readonly sha: string;
}

export interface HubModel extends ModelOptions {
  readonly repo: string;
  private: boolean;
  /** Branch name → commit. */
  readonly branches: Map<string, string>;
  /** Commit → path → file. */
  readonly commits: Map<string, ReadonlyMap<string, StoredFile>>;
}

export interface Account {
  readonly name: string;
  readonly role: 'read' | 'write';
  /** The gated and private repositories that this account may read. */
  readonly gatedRepos: readonly string[];
}

/** What happens to a request in place of the normal answer. */
export interface Fault {
  /** Matches `METHOD hub|cdn /path`. */
  readonly match: RegExp;
  /** How many more requests it affects. */
  times: number;
  /** Answers with this status, `headers` and `json`. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Closes the connection after this many bytes of the body. */
  readonly cutAfter?: number;
  /** Changes one byte of the body. */
  readonly corrupt?: boolean;
  /** Milliseconds between two chunks of 4 KiB. */
  readonly chunkDelayMs?: number;
  /** Never answers. */
  readonly stall?: boolean;
  /** Answers with the whole file although a range was requested. */
  readonly ignoreRange?: boolean;
  /** Answers with this ETag. */
  readonly etag?: string;
}

/** A request that the server received. */
export interface HubRequest {
  readonly server: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly length: string | undefined;
}

/** A commit that a client made. */
export interface Push {
  readonly repo: string;
  readonly branch: string;
  readonly summary: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** Paths that were uploaded through LFS. */
  readonly lfs: readonly string[];
  readonly commit: string;
}
