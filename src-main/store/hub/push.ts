/** @file Pushes an export to a model repository of the user, as one commit. */
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { commitIter, createRepo, modelInfo, whoAmI, type CommitOperation } from '@huggingface/hub';
import { AppError, refuse, toErrorData } from '../../base/errors.ts';
import type { PushEvent, PushPlan } from '../../model/hub.ts';
import { findInside } from '../fs/inside.ts';
import { formatPublicRecord, isRecord, listExportFiles } from './export-files.ts';
import { createPushMeter, type PushMeter } from './push-meter.ts';
import type { Hub, UploadInit } from './requests.ts';
import { refuseUnexpectedResponse } from './responses.ts';
import { parseRepo } from './settings.ts';

/** The client library requires a token of this form. Our own requests replace it by the real one. */
const placeholderToken = { accessToken: 'hf_' };

const hasCode = (error: unknown, code: string): error is AppError =>
  error instanceof AppError && error.code === code;

/**
 * Fetches the account of the token. `write` is null when the role of the token is unknown. Refuses
 * `hub/no-token` and `hub/bad-token`.
 */
export async function fetchAccount(
  hub: Hub,
  what = 'this',
  signal?: AbortSignal,
): Promise<{ readonly name: string; readonly write: boolean | null }> {
  const { token } = hub;
  const { endpoint } = hub.settings;
  if (!token) return refuse('hub/no-token', { what });
  const request = hub.createFetch({});
  const who = await whoAmI({
    ...placeholderToken,
    hubUrl: endpoint,
    fetch: (input, init) => request(input, { ...init, ...(signal ? { signal } : {}) }),
  }).catch((error: unknown) => {
    // A 401 means here that the token is not accepted, whatever the response says.
    if (hasCode(error, 'hub/no-repo')) return refuse('hub/bad-token', { from: token.from });
    return refuseUnexpectedResponse(endpoint)(error);
  });
  const role: string | undefined = who.auth.accessToken?.role;
  if (role === 'write' || role === 'admin') return { name: who.name, write: true };
  return { name: who.name, write: role === 'read' ? false : null };
}

/** A plan of a push that can be carried out. */
type ReadyPlan = PushPlan & { readonly account: string; readonly exists: boolean; readonly private: boolean };

/** The files of a push, which are known without the Hub. Refuses what `listExportFiles` refuses. */
async function listPush(hub: Hub, dir: string): Promise<Pick<PushPlan, 'dir' | 'files' | 'bytes'>> {
  const files = await listExportFiles(resolve(dir), hub.token?.text);
  return { dir: resolve(dir), files, bytes: files.reduce((n, file) => n + file.bytes, 0) };
}

/**
 * Plans a push of the folder `dir` to `given` (`name` or `owner/name`) without changing anything on the Hub. Without
 * a token, or without the Hub, only the files are planned, and `blocker` says why.
 */
export async function planPush(hub: Hub, dir: string, given: string): Promise<PushPlan> {
  const files = await listPush(hub, dir);
  const { repo } = parseRepo(given);
  try {
    return { ...files, ...(await findTarget(hub, repo)), blocker: null };
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('hub/')) throw error;
    const url = `${hub.settings.endpoint}/${repo}`;
    return { ...files, repo, account: null, exists: null, private: null, url, blocker: toErrorData(error) };
  }
}

/** As `planPush`, but throws what blocks the push: what `fetchAccount` refuses, and `hub/no-write`. */
export async function planReadyPush(hub: Hub, dir: string, given: string): Promise<ReadyPlan> {
  const files = await listPush(hub, dir);
  return { ...files, ...(await findTarget(hub, parseRepo(given).repo)), blocker: null };
}

/** The repository of a push. Refuses what `fetchAccount` refuses, and `hub/no-write`. */
async function findTarget(
  hub: Hub,
  name: string,
): Promise<Pick<ReadyPlan, 'repo' | 'account' | 'exists' | 'private' | 'url'>> {
  const { name: account, write } = await fetchAccount(hub, `pushing to ${name}`);
  const repo = name.includes('/') ? name : `${account}/${name}`;
  const { endpoint } = hub.settings;
  if (write === false) refuse('hub/no-write', { repo });
  const existing = await modelInfo({
    name: repo,
    hubUrl: endpoint,
    fetch: hub.createFetch({ repo }),
  }).catch((error: unknown) => {
    if (hasCode(error, 'hub/no-repo')) return undefined;
    return refuseUnexpectedResponse(endpoint)(error);
  });
  return {
    repo,
    account,
    exists: existing !== undefined,
    private: existing?.private ?? true,
    url: `${endpoint}/${repo}`,
  };
}

export interface PushOptions {
  /** Visibility of a repository that the push creates. */
  readonly private: boolean;
  readonly onEvent?: (event: PushEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Pushes an export as one commit, and creates the repository if there is none. Nothing is visible before the
 * commit. A repeated push does not upload a large file again.
 */
export async function pushExport(
  hub: Hub,
  dir: string,
  given: string,
  { private: isPrivate, onEvent, signal }: PushOptions,
): Promise<Extract<PushEvent, { type: 'done' }>> {
  const plan = await planReadyPush(hub, dir, given);
  const { repo, files, bytes, url } = plan;
  const { endpoint } = hub.settings;
  if (!plan.exists) await createRepository(hub, repo, isPrivate);
  const meter = createPushMeter(files, onEvent);
  const operations = await Promise.all(files.map(({ path }) => createOperation(plan.dir, path)));
  const events = commitIter({
    repo: { type: 'model', name: repo },
    operations,
    title: `Upload ${basename(plan.dir)} with Cambium`,
    hubUrl: endpoint,
    useXet: false,
    fetch: createUploadFetch(hub, repo, meter, signal),
    ...(signal ? { abortSignal: signal } : {}),
  });
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (!done) {
        meter.onProgress(value);
        continue;
      }
      return {
        type: 'done',
        repo,
        commit: value?.commit.oid ?? refuse('hub/answer', { endpoint, why: 'it names no commit' }),
        url,
        files: files.length,
        bytes,
        private: plan.exists ? plan.private : isPrivate,
      };
    }
  } catch (error) {
    if (signal?.aborted) refuse('cancelled', { what: `pushing to ${repo}` });
    return refuseUnexpectedResponse(endpoint)(error);
  }
}

async function createRepository(hub: Hub, repo: string, isPrivate: boolean): Promise<void> {
  const { endpoint } = hub.settings;
  await createRepo({
    ...placeholderToken,
    repo: { type: 'model', name: repo },
    visibility: isPrivate ? 'private' : 'public',
    hubUrl: endpoint,
    fetch: hub.createFetch({ repo, isWrite: true }),
  }).catch((error: unknown) => {
    // 409: it was created meanwhile.
    const isConflict = hasCode(error, 'hub/refused') && (error.detail as { status: number }).status === 409;
    if (!isConflict) refuseUnexpectedResponse(endpoint)(error);
  });
}

async function createOperation(dir: string, path: string): Promise<CommitOperation> {
  const content = isRecord(path)
    ? new Blob([await formatPublicRecord(dir, path)])
    : pathToFileURL((await findInside(dir, path)) ?? refuse('file/not-found', { path: join(dir, path) }));
  return { operation: 'addOrUpdate', path, content };
}

/** A `fetch` for the client library. Requests that carry a part of a file report how much has been sent. */
function createUploadFetch(
  hub: Hub,
  repo: string,
  meter: PushMeter,
  signal: AbortSignal | undefined,
): typeof fetch {
  const request = hub.createFetch({ repo, isWrite: true });
  return (input, init) => {
    const hint = (init as { progressHint?: { path: string; part?: number } } | undefined)?.progressHint;
    if (!hint) return request(input, { ...init, ...(signal ? { signal } : {}) });
    const onSent = (bytes: number): void => {
      meter.onSent(hint.path, hint.part ?? 0, bytes);
    };
    return request(input, { ...init, onSent } as UploadInit);
  };
}
