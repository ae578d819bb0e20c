/**
 * @file One model of the Hub judged before a weight is fetched: its commit, its files, config.json, and the
 * shard headers by range requests.
 */
import { listFiles, modelInfo } from '@huggingface/hub';
import { AppError, refuse, type ErrorData } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { HubFile, HubJudged } from '../../model/hub.ts';
import type { CheckpointCard } from '../../model/card.ts';
import { cardOf, describe, readConfig } from '../checkpoint/checkpoint.ts';
import { isObject } from '../fs/files.ts';
import { longestHeader, parseHeader } from '../checkpoint/safetensors.ts';
import { indexFile, shardNamesAmong, type StoredTensor } from '../checkpoint/shards.ts';
import { isoOf, licenceOf, readable } from './answers.ts';
import { inParallel } from './parallel.ts';
import { neededFiles } from './needed.ts';
import { networkWords, sleep, type Hub } from './requests.ts';

/** Bytes asked for at first: nearly every header is shorter. */
const first = 1 << 17;
/** The largest config.json or index that is read. */
const largestText = 50_000_000;
const isCommit = (word: string): boolean => /^[0-9a-f]{40}$/.test(word);

/** The address of a file's bytes. */
export const fileAddress = ({ settings }: Hub, repo: string, commit: string, path: string): string =>
  `${settings.endpoint}/${repo}/resolve/${encodeURIComponent(commit)}/${path.split('/').map(encodeURIComponent).join('/')}`;

/**
 * Everything about a model at a revision, pinned to its commit. What cannot be grown has `why`; what cannot
 * be read at all (gated, absent) is refused.
 */
export async function judgeModel(
  hub: Hub,
  repo: string,
  revision = 'main',
  signal?: AbortSignal,
): Promise<HubJudged> {
  const about = { repo, revision };
  const { endpoint } = hub.settings;
  const found = await modelInfo({
    name: repo,
    revision,
    hubUrl: endpoint,
    additionalFields: ['sha', 'cardData', 'tags'],
    fetch: withSignal(hub, about, signal),
  }).catch(readable(endpoint));
  const commit =
    typeof found.sha === 'string' && isCommit(found.sha)
      ? found.sha
      : refuse('hub/answer', { endpoint, why: `it names no commit of ${repo}` });
  const all = await filesOf(hub, found.name || repo, commit, signal);
  const judged = await judge(hub, repo, commit, all, signal);
  const files = neededFiles(all, judged.shards);
  const bytes = sum(files);
  return {
    repo,
    revision,
    commit,
    url: `${endpoint}/${repo}`,
    gated: found.gated,
    private: found.private,
    licence: licenceOf(found.tags),
    downloads: found.downloads,
    likes: found.likes,
    updated: isoOf(found.updatedAt),
    files,
    bytes,
    skipped: { files: all.length - files.length, bytes: sum(all) - bytes },
    why: judged.why,
    card: judged.card,
  };
}

const sum = (files: readonly HubFile[]): number => files.reduce((n, file) => n + file.bytes, 0);
const withSignal = (
  hub: Hub,
  about: { repo: string; revision: string },
  signal?: AbortSignal,
): typeof fetch => {
  const plain = hub.fetchFor(about);
  return (input, init) => plain(input, { ...init, ...(signal ? { signal } : {}) });
};
/** All files of a commit, as the tree lists them. */
async function filesOf(
  hub: Hub,
  repo: string,
  commit: string,
  signal?: AbortSignal,
): Promise<readonly HubFile[]> {
  const files: HubFile[] = [];
  const { endpoint } = hub.settings;
  try {
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo,
      revision: commit,
      recursive: false,
      hubUrl: endpoint,
      fetch: withSignal(hub, { repo, revision: commit }, signal),
    })) {
      if (type !== 'file') continue;
      const etag = lfs?.oid ?? oid ?? '';
      const bytes = lfs?.size ?? size;
      // The names become paths, and the hashes names of blobs.
      if (
        !/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(etag) ||
        !Number.isSafeInteger(bytes) ||
        bytes < 0 ||
        !/^(?!\.{1,2}$)[^/\\\0:]{1,255}$/.test(path)
      )
        continue;
      files.push({ path, bytes, etag, sha256: lfs !== undefined });
    }
  } catch (thrown) {
    readable(endpoint)(thrown);
  }
  return files;
}

interface Judgement {
  readonly card: CheckpointCard | null;
  readonly why: ErrorData | null;
  readonly shards: readonly string[];
}

/**
 * Growable or not, from config.json first and the headers then. A refusal by the Hub itself (gated, offline)
 * is thrown on.
 */
async function judge(
  hub: Hub,
  repo: string,
  commit: string,
  files: readonly HubFile[],
  signal?: AbortSignal,
): Promise<Judgement> {
  const names = files.map((file) => file.path);
  const stands = (name: string): boolean => names.includes(name);
  let shards: readonly string[] = names.filter((name) => name.endsWith('.safetensors'));
  try {
    if (!stands('config.json'))
      refuse(stands('adapter_config.json') ? 'checkpoint/adapter' : 'checkpoint/no-config', { path: repo });
    const config = await objectOf(hub, repo, commit, 'config.json', signal);
    const said = readConfig(repo, config);
    shards = await shardNamesAmong(repo, names, () => objectOf(hub, repo, commit, indexFile, signal));
    const missing = shards.find((name) => !stands(name));
    if (missing !== undefined) refuse('checkpoint/missing-shard', { path: repo, file: missing });
    const stored = new Map<string, StoredTensor>();
    const headers = await inParallel(shards, 4, (name) =>
      headerOf(
        hub,
        repo,
        commit,
        files.find((file) => file.path === name)!,
        signal,
      ),
    );
    for (const entries of headers)
      for (const entry of entries) {
        const other = stored.get(entry.name);
        if (other)
          refuse('safetensors/bad-header', {
            path: entry.file,
            why: `${entry.name} is also in ${other.file}`,
          });
        stored.set(entry.name, entry);
      }
    const described = await describe(repo, config, said, stored, (a, b) =>
      sameStart(hub, repo, commit, a, b, signal),
    );
    return {
      card: cardOf(`${repo}@${commit}`, config, described, { name: repo, tokenizer: null }),
      why: null,
      shards,
    };
  } catch (error) {
    if (!(error instanceof AppError) || !/^(checkpoint|safetensors|file)\//.test(error.code)) throw error;
    return { card: null, why: error.toData(), shards };
  }
}

async function objectOf(
  hub: Hub,
  repo: string,
  commit: string,
  path: string,
  signal?: AbortSignal,
): Promise<JsonObject> {
  const bytes = await rangeOf(hub, repo, commit, path, 0, undefined, signal);
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(value)) return value;
  } catch {
    /* told below */
  }
  return refuse('file/bad-json', { path: `${repo}/${path}`, why: 'it is not an object' });
}

/**
 * Bytes `from` to `to` (exclusive; to the end when absent) of a file. A connection that breaks in the middle
 * is made again.
 */
async function rangeOf(
  hub: Hub,
  repo: string,
  commit: string,
  path: string,
  from: number,
  to?: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const part = to === undefined ? {} : { range: `bytes=${from}-${to - 1}` };
  for (let tries = 1; ; tries++) {
    const response = await hub.ask(
      fileAddress(hub, repo, commit, path),
      { headers: { 'accept-encoding': 'identity', ...part }, ...(signal ? { signal } : {}) },
      { repo, revision: commit, file: path },
    );
    // A server without ranges sends everything: what is before is dropped, the rest is not wanted.
    const skip = to === undefined || response.status === 206 ? 0 : from;
    const most = to === undefined ? largestText : to - from + skip;
    try {
      const bytes = await bodyOf(response, most);
      if (to === undefined && bytes.length > most)
        refuse('file/bad-json', { path: `${repo}/${path}`, why: 'it is too large' });
      return to === undefined ? bytes : bytes.subarray(skip, skip + to - from);
    } catch (thrown) {
      const why = signal?.aborted ? undefined : networkWords(thrown);
      if (why === undefined) throw thrown;
      if (tries >= hub.patience.attempts) refuse('hub/unreachable', { endpoint: hub.settings.endpoint, why });
      await sleep(hub.patience.pause * 2 ** (tries - 1), signal);
    }
  }
}

/** The body of an answer, a little more than `most` bytes of it at the most. */
async function bodyOf(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    length += (chunk as Uint8Array).length;
    if (length > most) break;
  }
  return Buffer.concat(chunks);
}

/** The tensors of one shard, from its header alone. */
async function headerOf(
  hub: Hub,
  repo: string,
  commit: string,
  { path, bytes }: HubFile,
  signal?: AbortSignal,
): Promise<readonly StoredTensor[]> {
  const name = `${repo}/${path}`;
  const bad = (why: string): never => refuse('safetensors/bad-header', { path: name, why });
  let start = Buffer.from(await rangeOf(hub, repo, commit, path, 0, Math.min(first, bytes), signal));
  if (start.length < 8)
    return refuse('safetensors/truncated', { path: name, expected: 8, found: start.length });
  const length = start.readBigUInt64LE();
  const body = 8 + Number(length);
  if (length > BigInt(longestHeader))
    return bad(`its length is ${length} bytes, above the limit of ${longestHeader}`);
  if (body > bytes) return refuse('safetensors/truncated', { path: name, expected: body, found: bytes });
  if (start.length < body)
    start = Buffer.concat([start, await rangeOf(hub, repo, commit, path, start.length, body, signal)]);
  if (start.length < body)
    return refuse('safetensors/truncated', { path: name, expected: body, found: start.length });
  const { entries, end } = parseHeader(start.subarray(8, body), body, bad);
  if (end !== bytes)
    return bytes < end
      ? refuse('safetensors/truncated', { path: name, expected: end, found: bytes })
      : bad(`${bytes - end} bytes follow the last tensor`);
  return [...entries.values()].map((entry) => ({ ...entry, file: path }));
}

/** Whether two weights begin alike; the whole is compared when the folder is opened. */
async function sameStart(
  hub: Hub,
  repo: string,
  commit: string,
  a: StoredTensor,
  b: StoredTensor,
  signal?: AbortSignal,
): Promise<boolean> {
  const [left, right] = await Promise.all(
    [a, b].map(({ file, start, bytes }) =>
      rangeOf(hub, repo, commit, file, start, start + Math.min(1 << 16, bytes), signal),
    ),
  );
  return Buffer.from(left!).equals(right!);
}
