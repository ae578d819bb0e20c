/** @file Lists the files of a commit on the Hub. */
import { listFiles } from '@huggingface/hub';
import type { HubFile } from '../../model/hub.ts';
import type { Hub } from './requests.ts';
import { refuseUnexpectedResponse } from './responses.ts';

/** A `fetch` for the client library that aborts with `signal`. */
export function createFetch(hub: Hub, repo: string, revision: string, signal?: AbortSignal): typeof fetch {
  const request = hub.createFetch({ repo, revision });
  return (input, init) => request(input, { ...init, ...(signal ? { signal } : {}) });
}

const isSafeName = (path: string): boolean => /^(?!\.{1,2}$)[^/\\\0:]{1,255}$/.test(path);

export interface ListOptions {
  /** Also the files of folders. */
  readonly recursive: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The files of a commit. Leaves out names and hashes that are unsafe as paths. The name of a dataset begins with
 * `datasets/`.
 */
export async function listCommitFiles(
  hub: Hub,
  repo: string,
  commit: string,
  { recursive, signal }: ListOptions,
): Promise<readonly HubFile[]> {
  const files: HubFile[] = [];
  const { endpoint } = hub.settings;
  try {
    const entries = listFiles({
      repo,
      revision: commit,
      recursive,
      hubUrl: endpoint,
      fetch: createFetch(hub, repo, commit, signal),
    });
    for await (const { type, path, size, oid, lfs } of entries) {
      if (type !== 'file') continue;
      const etag = lfs?.oid ?? oid ?? '';
      const bytes = lfs?.size ?? size;
      const isSafeEtag = /^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(etag);
      const isSafePath = recursive ? path.split('/').every(isSafeName) : isSafeName(path);
      if (isSafeEtag && isSafePath && Number.isSafeInteger(bytes) && bytes >= 0)
        files.push({ path, bytes, etag, sha256: lfs !== undefined });
    }
  } catch (thrown) {
    refuseUnexpectedResponse(endpoint)(thrown);
  }
  return files;
}
