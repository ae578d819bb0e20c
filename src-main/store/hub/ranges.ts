/** @file Fetches parts of the files of a commit on the Hub: byte ranges, JSON files and safetensors headers. */
import { refuse } from '../../base/errors.ts';
import { jsonObject, parseJson, type JsonObject } from '../../base/json.ts';
import type { HubFile } from '../../model/hub.ts';
import { maxHeaderBytes, parseHeader } from '../checkpoint/safetensors.ts';
import type { StoredTensor } from '../checkpoint/shards.ts';
import { describeNetworkError } from './request-errors.ts';
import { getRetryDelay, sleep, type Hub } from './requests.ts';

/** The commit whose files are fetched. */
export interface CommitContext {
  readonly hub: Hub;
  readonly repo: string;
  readonly commit: string;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of the first request for a header. Nearly every header is shorter. */
const firstRequestBytes = 1 << 17;
/** The largest config.json or index that is read. */
const maxJsonBytes = 50_000_000;

/** The URL of a file's bytes. */
export function getFileUrl({ settings }: Hub, repo: string, commit: string, path: string): string {
  const encodedPath = path.split('/').map(encodeURIComponent).join('/');
  return `${settings.endpoint}/${repo}/resolve/${encodeURIComponent(commit)}/${encodedPath}`;
}

/** Fetches bytes `start` to `end` (exclusive) of a file. A connection that breaks is retried. */
export const fetchRange = (
  context: CommitContext,
  path: string,
  start: number,
  end: number,
): Promise<Uint8Array> =>
  retryBrokenConnections(context, async () => {
    const response = await requestFile(context, path, { range: `bytes=${start}-${end - 1}` });
    // A server without range requests sends the file from its start.
    const skip = response.status === 206 ? 0 : start;
    const length = end - start;
    const bytes = await readBody(response, skip + length);
    return bytes.subarray(skip, skip + length);
  });

/** Fetches a JSON file that holds an object. Refuses `file/bad-json`. */
export async function fetchJsonObject(context: CommitContext, path: string): Promise<JsonObject> {
  const refuseJson = (why: string): never =>
    refuse('file/bad-json', { path: `${context.repo}/${path}`, why });
  const bytes = await retryBrokenConnections(context, async () =>
    readBody(await requestFile(context, path), maxJsonBytes),
  );
  if (bytes.length > maxJsonBytes) refuseJson('it is too large');
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), jsonObject);
  } catch {
    return refuseJson('it is not an object');
  }
}

const requestFile = (
  { hub, repo, commit, signal }: CommitContext,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  hub.request(
    getFileUrl(hub, repo, commit, path),
    { headers: { 'accept-encoding': 'identity', ...headers }, ...(signal ? { signal } : {}) },
    { repo, revision: commit, file: path },
  );

/** Repeats `work` when a connection breaks while its response is read. */
async function retryBrokenConnections<T>({ hub, signal }: CommitContext, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      const why = signal?.aborted ? undefined : describeNetworkError(thrown);
      if (why === undefined) throw thrown;
      if (attempt >= hub.retry.attempts) refuse('hub/unreachable', { endpoint: hub.settings.endpoint, why });
      await sleep(getRetryDelay(hub.retry, attempt), signal);
    }
  }
}

/** Reads the body of a response up to the first chunk that exceeds `maxBytes`. */
async function readBody(response: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    length += (chunk as Uint8Array).length;
    if (length > maxBytes) break;
  }
  return Buffer.concat(chunks);
}

/** Fetches the header of one shard. Returns its tensors. Refuses as `readHeader` does for a local file. */
export async function fetchHeader(
  context: CommitContext,
  { path, bytes }: HubFile,
): Promise<readonly StoredTensor[]> {
  const name = `${context.repo}/${path}`;
  const refuseHeader = (why: string): never => refuse('safetensors/bad-header', { path: name, why });
  const refuseTruncated = (expected: number, found: number): never =>
    refuse('safetensors/truncated', { path: name, expected, found });
  const first = await fetchRange(context, path, 0, Math.min(firstRequestBytes, bytes));
  let start = Buffer.from(first);
  if (start.length < 8) return refuseTruncated(8, start.length);
  const length = start.readBigUInt64LE();
  if (length > BigInt(maxHeaderBytes))
    return refuseHeader(`its length is ${length} bytes, above the limit of ${maxHeaderBytes}`);
  const dataStart = 8 + Number(length);
  if (dataStart > bytes) return refuseTruncated(dataStart, bytes);
  if (start.length < dataStart)
    start = Buffer.concat([start, await fetchRange(context, path, start.length, dataStart)]);
  if (start.length < dataStart) return refuseTruncated(dataStart, start.length);
  const { entries, end } = parseHeader(start.subarray(8, dataStart), dataStart, refuseHeader);
  if (bytes < end) return refuseTruncated(end, bytes);
  if (bytes > end) return refuseHeader(`${bytes - end} bytes follow the last tensor`);
  return [...entries.values()].map((entry) => ({ ...entry, file: path }));
}
