/**
 * @file A server on loopback that speaks the protocol of huggingface.co: search, revisions, file trees in
 * pages, downloads with ranges through a CDN, LFS uploads, commits, accounts, and faults on request.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { blobUrl, HubCdn, uploadAction } from './hub-cdn.ts';
import { close, listen, readBody, readJsonBody, sendError, sendFile, sendJson } from './hub-http.ts';
import { HubStore, type FileContents, type HubModelFiles } from './hub-store.ts';
import type { Account, Fault, HubModel, HubRequest, ModelOptions, Push } from './hub-types.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

/** What a path under `/` or `/api/models/` names: a model, and what is asked of it. */
interface ModelRoute {
  readonly repo: string;
  readonly kind: 'revision' | 'tree' | 'preupload' | 'commit' | 'file' | 'batch';
  readonly revision: string;
  readonly file: string;
}

function parseModelRoute(path: string): ModelRoute | undefined {
  const repo = '((?:datasets/)?(?:[^/]+/)?[^/]+)';
  const api = new RegExp(
    `^/api/(models|datasets)/((?:[^/]+/)?[^/]+)/(revision|tree|preupload|commit)/(.+)$`,
  ).exec(path);
  if (api) {
    const prefix = api[1] === 'datasets' ? 'datasets/' : '';
    return { repo: prefix + api[2]!, kind: api[3] as ModelRoute['kind'], revision: api[4]!, file: '' };
  }
  const batch = new RegExp(`^/${repo}\\.git/info/lfs/objects/batch$`).exec(path);
  if (batch) return { repo: batch[1]!, kind: 'batch', revision: '', file: '' };
  if (!/\/resolve(-cache)?\//.test(path)) return undefined;
  const file = new RegExp(`^(?:/api/resolve-cache/models)?/${repo}/(?:resolve/)?([^/]+)/(.+)$`).exec(path);
  return file ? { repo: file[1]!, kind: 'file', revision: file[2]!, file: file[3]! } : undefined;
}

const ownerOf = (repo: string): string | undefined => repo.split('/')[0];

export class HubServer {
  readonly accounts = new Map<string, Account>();
  /** Every request so far, to either origin. */
  readonly requests: HubRequest[] = [];
  /** Every commit that a client made. */
  readonly pushes: Push[] = [];
  faults: Fault[] = [];
  /** Most entries of one page of a search or a file tree. */
  pageSize = 50;
  /** Uploads larger than this are split into parts of this size. */
  partBytes = Infinity;
  /** Origin of the Hub, and of the storage that it redirects to. */
  endpoint = '';
  cdn = '';
  readonly #store = new HubStore();
  readonly #storage = new HubCdn(this.#store.blobs);
  readonly #servers: Server[] = [];
  readonly #faultOf = new WeakMap<ServerResponse, Fault>();

  get models(): Map<string, HubModel> {
    return this.#store.models;
  }

  async start(): Promise<this> {
    const hub = this.#createServer('hub', (...args) => this.#handleHub(...args));
    const cdn = this.#createServer('cdn', (...args) => this.#handleCdn(...args));
    this.#servers.push(hub, cdn);
    this.endpoint = await listen(hub);
    this.cdn = await listen(cdn);
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map(close));
  }

  /** Adds a commit to a branch of a model; returns the commit. */
  addCommit(repo: string, files: FileContents, options: ModelOptions = {}, branch = 'main'): string {
    return this.#store.addCommit(repo, files, options, branch);
  }

  /** Adds a commit with the files of a folder and `more`. */
  addFolder(repo: string, dir: string, options: ModelOptions = {}, more: FileContents = {}): string {
    const files = readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]);
    return this.addCommit(repo, { ...Object.fromEntries(files), ...more }, options);
  }

  /** A server that records its requests and applies faults before it calls `handle`. */
  #createServer(name: 'hub' | 'cdn', handle: Handler): Server {
    return createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://h');
      const method = request.method ?? '';
      const { authorization, range, 'content-length': length } = request.headers;
      const path = url.pathname + url.search;
      this.requests.push({ server: name, method, path, authorization, range, length });
      const target = `${method} ${name} ${url.pathname}`;
      const fault = this.faults.find((one) => one.times > 0 && one.match.test(target));
      if (fault) {
        fault.times--;
        this.#faultOf.set(response, fault);
        if (fault.stall) return;
        if (fault.status !== undefined) {
          sendJson(response, fault.json ?? { error: 'a fault' }, fault.status, fault.headers);
          return;
        }
      }
      handle(request, response, url).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end(String(error));
      });
    });
  }

  async #handleHub(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const path = decodeURIComponent(url.pathname);
    const { authorization } = request.headers;
    const account = this.accounts.get(authorization?.replace('Bearer ', '') ?? '');
    if (authorization !== undefined && !account) {
      sendError(response, 401, '', 'Invalid credentials in Authorization header');
      return;
    }
    if (path === '/api/models' || path === '/api/datasets') this.#search(response, url);
    else if (path === '/api/whoami-v2') this.#whoAmI(response, account);
    else if (path === '/api/repos/create' && request.method === 'POST') {
      await this.#createRepo(request, response, account);
    } else await this.#handleModel(request, response, url, path, account);
  }

  #search(response: ServerResponse, url: URL): void {
    const limit = Math.min(this.pageSize, Number(url.searchParams.get('limit') ?? 50));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const isDataset = url.pathname === '/api/datasets';
    const found = this.#store.search(url.searchParams, isDataset);
    const next = new URL(url.pathname + url.search, this.endpoint);
    next.searchParams.set('cursor', String(from + limit));
    this.#sendPage(response, found, from, from + limit, next.href);
  }

  /** Sends entries `from` to `to`, with a link to the next page if there are more. */
  #sendPage(response: ServerResponse, all: readonly unknown[], from: number, to: number, next: string): void {
    const headers: Record<string, string> = to < all.length ? { Link: `<${next}>; rel="next"` } : {};
    sendJson(response, all.slice(from, to), 200, headers);
  }

  #whoAmI(response: ServerResponse, account: Account | undefined): void {
    if (!account) {
      sendError(response, 401, '', 'Unauthorized');
      return;
    }
    sendJson(response, {
      type: 'user',
      id: '1',
      name: account.name,
      fullname: account.name,
      email: '',
      orgs: [],
      auth: { type: 'access_token', accessToken: { displayName: 'test', role: account.role } },
    });
  }

  async #createRepo(
    request: IncomingMessage,
    response: ServerResponse,
    account: Account | undefined,
  ): Promise<void> {
    const { name, organization, visibility } = (await readJsonBody(request)) as Record<string, string>;
    const repo = `${organization!}/${name!}`;
    if (account?.role !== 'write' || account.name !== organization) {
      sendError(response, 403, '', "You don't have the rights to create a model under this namespace");
    } else if (this.models.has(repo)) {
      sendError(response, 409, '', 'You already created this model repo');
    } else {
      this.#store.createModel(repo, visibility === 'private');
      sendJson(response, { url: `${this.endpoint}/${repo}`, id: repo });
    }
  }

  async #handleModel(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    path: string,
    account: Account | undefined,
  ): Promise<void> {
    const route = parseModelRoute(path);
    const model = this.models.get(route?.repo ?? '');
    const hasAccess = model && account?.gatedRepos.includes(model.repo) === true;
    const isOwner = model && account?.name === ownerOf(model.repo);
    if (!route || !model || (model.private && !hasAccess && !isOwner)) {
      sendError(response, account ? 404 : 401, 'RepoNotFound', 'Repository not found');
      return;
    }
    const isWrite = route.kind === 'batch' || route.kind === 'preupload' || route.kind === 'commit';
    if (isWrite && (account?.role !== 'write' || !isOwner)) {
      sendError(response, 403, '', 'Forbidden: pass write access');
      return;
    }
    if (route.kind === 'batch') return this.#lfsBatch(request, response);
    if (route.kind === 'preupload') return this.#preupload(request, response);
    if (route.kind === 'commit') return this.#commit(request, response, model, route.revision);
    const { commit, files } = this.#store.resolve(model, route.revision);
    if (!files) sendError(response, 404, 'RevisionNotFound', `Invalid rev id: ${route.revision}`);
    else if (route.kind === 'revision') sendJson(response, this.#store.entryOf(model, commit));
    else if (route.kind === 'tree') this.#sendTree(response, url, files);
    else if (model.gated && !hasAccess) {
      sendError(response, account ? 403 : 401, 'GatedRepo', 'Access to this model is restricted');
    } else await this.#sendModelFile(request, response, path, route, commit, files);
  }

  #sendTree(response: ServerResponse, url: URL, files: HubModelFiles): void {
    const entries = [...files].map(([path, { bytes, lfs, oid, sha }]) => ({
      type: 'file',
      path,
      oid,
      size: bytes.length,
      ...(lfs ? { lfs: { oid: sha, size: bytes.length, pointerSize: 130 }, xetHash: sha } : {}),
    }));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const to = from + this.pageSize;
    const next = `${this.endpoint}${url.pathname}?recursive=false&expand=false&cursor=${to}`;
    this.#sendPage(response, entries, from, to, next);
  }

  /** Redirects to the CDN for an LFS file and to the cache of the Hub for any other; the cache sends it. */
  async #sendModelFile(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    route: ModelRoute,
    commit: string,
    files: HubModelFiles,
  ): Promise<void> {
    const file = files.get(route.file);
    if (!file) {
      sendError(response, 404, 'EntryNotFound', 'Entry not found');
      return;
    }
    const etag = this.#faultOf.get(response)?.etag ?? (file.lfs ? file.sha : file.oid);
    const headers = { 'X-Repo-Commit': commit, 'Accept-Ranges': 'bytes' };
    if (file.lfs) {
      const linked = { 'X-Linked-Etag': `"${etag}"`, 'X-Linked-Size': String(file.bytes.length) };
      const location = { Location: blobUrl(this.cdn, file.sha), ETag: '"redirect"' };
      response.writeHead(302, { ...headers, ...linked, ...location }).end();
    } else if (!path.startsWith('/api/')) {
      const location = `/api/resolve-cache/models/${route.repo}/${commit}/${route.file}`;
      response.writeHead(307, { ...headers, Location: location, ETag: '"redirect"' }).end();
    } else {
      await this.#send(request, response, file.bytes, {
        ...headers,
        ETag: `"${etag}"`,
        'Content-Type': 'text/plain',
      });
    }
  }

  async #preupload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { files } = (await readJsonBody(request)) as { files: { path: string }[] };
    const modeOf = (path: string): string => (path.endsWith('.safetensors') ? 'lfs' : 'regular');
    sendJson(response, { files: files.map(({ path }) => ({ path, uploadMode: modeOf(path) })) });
  }

  /** Answers which LFS objects must be uploaded, and where. */
  async #lfsBatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { objects, transfers } = (await readJsonBody(request)) as {
      objects: { oid: string; size: number }[];
      transfers: string[];
    };
    const answers = objects.map(({ oid, size }) => {
      if (this.#store.blobs.has(oid)) return { oid, size };
      return { oid, size, actions: { upload: uploadAction(this.cdn, oid, size, this.partBytes) } };
    });
    const plain = this.partBytes < Infinity ? 'multipart' : 'basic';
    sendJson(response, { transfer: transfers.includes('xet') ? 'xet' : plain, objects: answers });
  }

  async #commit(
    request: IncomingMessage,
    response: ServerResponse,
    model: HubModel,
    branch: string,
  ): Promise<void> {
    const lines = (await readBody(request))
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
    const files = new Map<string, Buffer>();
    const lfs: string[] = [];
    for (const { key, value } of lines) {
      const path = value['path']!;
      if (key === 'file') files.set(path, Buffer.from(value['content']!, 'base64'));
      if (key !== 'lfsFile') continue;
      const blob = this.#store.blobs.get(value['oid']!);
      if (!blob) {
        sendError(response, 400, '', `${path} was not uploaded`);
        return;
      }
      files.set(path, blob);
      lfs.push(path);
    }
    const commit = this.addCommit(model.repo, Object.fromEntries(files), {}, branch);
    this.pushes.push({ repo: model.repo, branch, summary: lines[0]!.value['summary']!, files, lfs, commit });
    const commitUrl = `${this.endpoint}/${model.repo}/commit/${commit}`;
    sendJson(response, { commitOid: commit, commitUrl, hookOutput: '' });
  }

  async #handleCdn(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const headers = {
      'Accept-Ranges': 'bytes',
      ETag: '"storage"',
      'Content-Type': 'application/octet-stream',
    };
    await this.#storage.handle(request, response, url, (bytes) =>
      this.#send(request, response, bytes, headers),
    );
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const fault = this.#faultOf.get(response);
    const isActive = (): boolean => fault !== undefined && this.faults.includes(fault);
    await sendFile(request, response, bytes, headers, fault, isActive);
  }
}
