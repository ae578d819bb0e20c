/**
 * @file A folder to a repository of the user's, as one commit: what would go is told first, and nothing goes
 * that is no part of a model.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { commitIter, createRepo, modelInfo, whoAmI, type CommitOperation } from '@huggingface/hub';
import { AppError, refuse } from '../../base/errors.ts';
import type { PushEvent, PushFile, PushPlan } from '../../model/hub.ts';
import { recordPaths, recordText } from '../../model/records.ts';
import { checkpointName, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { reading, readObject } from '../fs/files.ts';
import { momentsFolder } from '../checkpoint/moments.ts';
import { shardNames } from '../checkpoint/shards.ts';
import { readable } from './answers.ts';
import type { Hub, Sending } from './requests.ts';
import { readRepo } from './settings.ts';

/** The library checks the form of a token; the real one is put into the header by our requests. */
const inHeader = { accessToken: 'hf_' };
const beside =
  /^(config\.json|generation_config\.json|model\.safetensors\.index\.json|tokenizer.*\.json|tokenizer\.model|special_tokens_map\.json|added_tokens\.json|vocab\..+|merges\.txt|chat_template\.(jinja|json)|readme\.md|(licen[sc]e|notice|use_policy).*|.*\.(svg|png)|model\.onnx(\.data|_data)?|events\.out\.tfevents.*|\.gitattributes)$/i;
const secret = /\bhf_[A-Za-z0-9]{30,}/;
/** Larger files are no text that a person wrote. */
const largestText = 5_000_000;

/** The account of the hub's token; refused when there is none or it is not valid. */
export async function accountOf(
  hub: Hub,
  what = 'this',
  signal?: AbortSignal,
): Promise<{ readonly name: string; readonly write: boolean | null }> {
  if (!hub.token) return refuse('hub/no-token', { what });
  const plain = hub.fetchFor({});
  const who = await whoAmI({
    ...inHeader,
    hubUrl: hub.settings.endpoint,
    fetch: (input, init) => plain(input, { ...init, ...(signal ? { signal } : {}) }),
  }).catch((error: unknown) => {
    // Whatever the words of a 401 here, it is the token that is not accepted.
    if (error instanceof AppError && error.code === 'hub/no-repo')
      return refuse('hub/bad-token', { from: hub.token!.from });
    return readable(hub.settings.endpoint)(error);
  });
  const role: string | undefined = who.auth.accessToken?.role;
  return {
    name: who.name,
    write: role === 'write' || role === 'admin' ? true : role === 'read' ? false : null,
  };
}

/** What a push of `dir` to `given` (`name`, or `owner/name`) would do. Nothing is changed on the Hub. */
export async function planPush(hub: Hub, dir: string, given: string): Promise<PushPlan> {
  const { files } = await exportFiles(resolve(dir), hub.token?.text);
  const named = readRepo(given).repo;
  const account = await accountOf(hub, `pushing to ${named}`);
  const repo = named.includes('/') ? named : `${account.name}/${named}`;
  const { endpoint } = hub.settings;
  if (account.write === false) refuse('hub/no-write', { repo });
  const there = await modelInfo({ name: repo, hubUrl: endpoint, fetch: hub.fetchFor({ repo }) }).catch(
    (error: unknown) => {
      if (error instanceof AppError && error.code === 'hub/no-repo') return undefined;
      return readable(endpoint)(error);
    },
  );
  return {
    dir: resolve(dir),
    repo,
    account: account.name,
    exists: there !== undefined,
    private: there?.private ?? true,
    files,
    bytes: files.reduce((n, file) => n + file.bytes, 0),
    url: `${endpoint}/${repo}`,
  };
}

/**
 * The files of an export, checked: it opens as a checkpoint or is one as ONNX, holds nothing else, and no
 * token. An optimizer's moments stay here.
 */
async function exportFiles(dir: string, token?: string): Promise<{ readonly files: readonly PushFile[] }> {
  const entries = (await reading(dir, () => readdir(dir, { withFileTypes: true }))).filter(
    (entry) => !(entry.isDirectory() && entry.name === momentsFolder),
  );
  const weights = new Set(await shardNames(dir).catch(() => []));
  const odd = entries.find(
    (entry) =>
      entry.isDirectory() ||
      !(weights.has(entry.name) || beside.test(entry.name) || entry.name in recordPaths),
  );
  if (odd)
    refuse('hub/not-an-export', { path: dir, file: odd.isDirectory() ? `the folder ${odd.name}` : odd.name });
  if (weights.size === 0 && entries.some((entry) => entry.name === 'model.onnx'))
    await readObject(join(dir, 'config.json'));
  else await openCheckpoint(dir);
  const files: PushFile[] = [];
  for (const { name } of entries) {
    const path = join(dir, name);
    const { size } = await reading(path, () => stat(path));
    if (!weights.has(name) && size <= largestText) {
      const text = await reading(path, () => readFile(path, 'latin1'));
      if (secret.test(text) || (token !== undefined && text.includes(token)))
        refuse('hub/secret', { path: dir, file: name });
    }
    files.push({ path: name, bytes: size });
  }
  return { files: files.sort((a, b) => a.path.localeCompare(b.path, 'en')) };
}

export interface PushOptions {
  readonly private: boolean;
  readonly onEvent?: (event: PushEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes the repository where there is none, uploads, and commits once. Until the commit nobody sees anything;
 * an upload that is repeated sends no large file twice.
 */
export async function pushExport(
  hub: Hub,
  dir: string,
  given: string,
  { private: hidden, onEvent, signal }: PushOptions,
): Promise<Extract<PushEvent, { at: 'done' }>> {
  const plan = await planPush(hub, dir, given);
  const { repo, bytes: of, url } = plan;
  const { endpoint } = hub.settings;
  let visible = plan.private;
  if (!plan.exists) {
    await createRepo({
      ...inHeader,
      repo: { type: 'model', name: repo },
      visibility: hidden ? 'private' : 'public',
      hubUrl: endpoint,
      fetch: hub.fetchFor({ repo, writing: true }),
    }).catch((error: unknown) => {
      if (!(
        error instanceof AppError &&
        error.code === 'hub/refused' &&
        (error.detail as { status: number }).status === 409
      ))
        readable(endpoint)(error);
    });
    visible = hidden;
  }
  const sizes = new Map(plan.files.map((file) => [file.path, file.bytes]));
  const done = new Map<string, number>();
  const since = performance.now();
  let phase: 'hashing' | 'uploading' | 'committing' = 'hashing';
  let now = '';
  let told = 0;
  const tell = (force = false): void => {
    if (!force && performance.now() - told < 200) return;
    told = performance.now();
    const sum = [...done.values()].reduce((a, b) => a + b, 0);
    onEvent?.({
      at: 'bytes',
      phase,
      done: phase === 'committing' ? of : Math.min(of, sum),
      of,
      perSecond: phase === 'uploading' ? sum / Math.max(0.001, (told - since) / 1000) : 0,
      now,
    });
  };
  const plain = hub.fetchFor({ repo, writing: true });
  const parts = new Map<string, Map<number, number>>();
  const counted: typeof fetch = (input, init) => {
    const hint = (init as { progressHint?: { path: string; part?: number } } | undefined)?.progressHint;
    if (!hint) return plain(input, { ...init, ...(signal ? { signal } : {}) });
    const own = parts.get(hint.path) ?? new Map<number, number>();
    parts.set(hint.path, own);
    const onSent = (sent: number): void => {
      own.set(hint.part ?? 0, sent);
      done.set(
        hint.path,
        [...own.values()].reduce((a, b) => a + b, 0),
      );
      now = hint.path;
      tell();
    };
    return plain(input, { ...init, onSent } as Sending);
  };
  const operations: CommitOperation[] = await Promise.all(
    plan.files.map(async ({ path }) => ({
      operation: 'addOrUpdate' as const,
      path,
      content:
        path in recordPaths
          ? new Blob([await publicRecord(plan.dir, path)])
          : pathToFileURL(join(plan.dir, path)),
    })),
  );
  const work = commitIter({
    repo: { type: 'model', name: repo },
    operations,
    title: `Upload ${basename(plan.dir)} with Cambium`,
    hubUrl: endpoint,
    useXet: false,
    fetch: counted,
    ...(signal ? { abortSignal: signal } : {}),
  });
  try {
    for (;;) {
      const step = await work.next();
      if (step.done)
        return {
          at: 'done',
          repo,
          commit: step.value?.commit.oid ?? refuse('hub/answer', { endpoint, why: 'it names no commit' }),
          url,
          files: plan.files.length,
          bytes: of,
          private: visible,
        };
      const event = step.value;
      if (event.event === 'phase') {
        if (event.phase !== 'preuploading') {
          phase = event.phase === 'committing' ? 'committing' : 'hashing';
          tell(true);
        }
        continue;
      }
      if (event.state === 'uploading' && phase === 'hashing') {
        phase = 'uploading';
        done.clear();
      }
      if (event.state === 'hashing' || event.progress === 1)
        done.set(event.path, event.progress * (sizes.get(event.path) ?? 0));
      now = event.path;
      tell();
    }
  } catch (error) {
    if (signal?.aborted) refuse('cancelled', { what: `pushing to ${repo}` });
    return readable(endpoint)(error);
  }
}

/** A record without this computer's paths: what they lead to by name. */
async function publicRecord(dir: string, file: string): Promise<string> {
  const record = await readObject(join(dir, file));
  const named = recordPaths[file]!.flatMap((field) => {
    const path = record[field];
    return typeof path === 'string' ? [[field, checkpointName(path)] as const] : [];
  });
  return recordText({ ...record, ...Object.fromEntries(named) });
}
