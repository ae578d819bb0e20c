/**
 * @file A Hub on loopback that speaks the protocol of huggingface.co: models with commits, paging, ranges, a
 * CDN of its own origin, LFS, commits, and faults on request.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface ModelOptions {
  readonly gated?: 'auto' | 'manual';
  readonly private?: boolean;
  readonly downloads?: number;
  readonly likes?: number;
  readonly updated?: string;
  readonly licence?: string;
  readonly library?: string;
  readonly task?: string;
  readonly tags?: readonly string[];
}
interface StoredFile {
  readonly bytes: Buffer;
  readonly lfs: boolean;
  readonly oid: string;
  readonly sha: string;
}
interface Model extends ModelOptions {
  readonly repo: string;
  private: boolean;
  readonly branches: Map<string, string>;
  readonly commits: Map<string, ReadonlyMap<string, StoredFile>>;
}
export interface Account {
  readonly name: string;
  readonly role: 'read' | 'write';
  readonly may: readonly string[];
}
/**
 * What a request comes to instead of its answer. `cut`: the connection breaks after so many bytes of the
 * body; `wrong`: a byte is another; `slow`: milliseconds between kilobytes.
 */
export interface Fault {
  readonly on: RegExp;
  times: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly cut?: number;
  readonly wrong?: boolean;
  readonly slow?: number;
  readonly stall?: boolean;
  readonly plain?: boolean;
  readonly etag?: string;
}
export interface Seen {
  readonly at: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly length: string | undefined;
}
export interface Pushed {
  readonly repo: string;
  readonly branch: string;
  readonly summary: string;
  readonly files: ReadonlyMap<string, Buffer>;
  readonly lfs: readonly string[];
  readonly commit: string;
}

const hex = (kind: string, ...parts: readonly (string | Buffer)[]): string => {
  const hash = createHash(kind);
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const all: Buffer[] = [];
  for await (const chunk of request) all.push(chunk as Buffer);
  return Buffer.concat(all);
};
const listening = async (server: Server): Promise<string> => {
  await new Promise<void>((good) => {
    server.listen(0, '127.0.0.1', good);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

export class HubServer {
  readonly models = new Map<string, Model>();
  readonly accounts = new Map<string, Account>();
  readonly seen: Seen[] = [];
  readonly pushed: Pushed[] = [];
  faults: Fault[] = [];
  /** Entries of one page of a search at most. */
  pageSize = 50;
  /** Uploads larger than this go in parts of this size. */
  partBytes = Infinity;
  endpoint = '';
  cdn = '';
  readonly #blobs = new Map<string, Buffer>();
  readonly #parts = new Map<string, Map<number, Buffer>>();
  readonly #servers: Server[] = [];
  #commits = 0;

  async start(): Promise<this> {
    const serve = (
      at: 'hub' | 'cdn',
      answer: (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>,
    ): Server =>
      createServer((request, response) => {
        const url = new URL(request.url ?? '/', 'http://h');
        const { authorization, range } = request.headers;
        this.seen.push({
          at,
          method: request.method ?? '',
          path: url.pathname + url.search,
          authorization,
          range,
          length: request.headers['content-length'],
        });
        const fault = this.faults.find(
          (one) => one.times > 0 && one.on.test(`${request.method ?? ''} ${at} ${url.pathname}`),
        );
        if (fault) fault.times--;
        if (fault?.stall) return;
        if (fault?.status !== undefined) {
          response
            .writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers })
            .end(JSON.stringify(fault.json ?? { error: 'a fault' }));
          return;
        }
        this.#fault.set(response, fault);
        answer(request, response, url).catch((error: unknown) => {
          if (!response.headersSent) response.writeHead(500).end(String(error));
          else response.destroy();
        });
      });
    const hub = serve('hub', (...all) => this.#hub(...all));
    const cdn = serve('cdn', (...all) => this.#cdn(...all));
    this.#servers.push(hub, cdn);
    [this.endpoint, this.cdn] = await Promise.all([listening(hub), listening(cdn)]);
    return this;
  }
  async stop(): Promise<void> {
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((good) => {
            server.close(() => {
              good();
            });
            server.closeAllConnections();
          }),
      ),
    );
  }
  readonly #fault = new WeakMap<ServerResponse, Fault | undefined>();

  /** Adds a commit to a branch of a model; answers with the commit. */
  add(
    repo: string,
    files: Readonly<Record<string, Buffer | string>>,
    options: ModelOptions = {},
    branch = 'main',
  ): string {
    const model = this.models.get(repo) ?? {
      repo,
      ...options,
      private: options.private ?? false,
      branches: new Map<string, string>(),
      commits: new Map<string, ReadonlyMap<string, StoredFile>>(),
    };
    const commit = hex('sha1', `${repo} ${this.#commits++}`);
    const stored = new Map<string, StoredFile>();
    for (const [path, content] of Object.entries(files)) {
      const bytes = Buffer.from(content);
      const sha = hex('sha256', bytes);
      const lfs = /\.(safetensors|bin|model|onnx)$/.test(path) || bytes.length > 200_000;
      this.#blobs.set(sha, bytes);
      stored.set(path, { bytes, lfs, sha, oid: hex('sha1', `blob ${bytes.length}\0`, bytes) });
    }
    model.commits.set(commit, stored);
    model.branches.set(branch, commit);
    this.models.set(repo, model);
    return commit;
  }
  /** The files of a folder, and more. */
  addFolder(
    repo: string,
    dir: string,
    options: ModelOptions = {},
    more: Readonly<Record<string, Buffer | string>> = {},
  ): string {
    return this.add(
      repo,
      {
        ...Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))])),
        ...more,
      },
      options,
    );
  }

  #account(request: IncomingMessage): Account | undefined {
    return this.accounts.get(request.headers.authorization?.replace('Bearer ', '') ?? '');
  }
  #json(
    response: ServerResponse,
    value: unknown,
    status = 200,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    response
      .writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
      .end(JSON.stringify(value));
  }
  #refuse(response: ServerResponse, status: number, code: string, error: string): void {
    this.#json(response, { error }, status, code ? { 'X-Error-Code': code, 'X-Error-Message': error } : {});
  }

  async #hub(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const path = decodeURIComponent(url.pathname);
    const account = this.#account(request);
    const method = request.method ?? 'GET';
    if (request.headers.authorization !== undefined && !account) {
      this.#refuse(response, 401, '', 'Invalid credentials in Authorization header');
      return;
    }
    if (path === '/api/models') {
      this.#search(response, url);
      return;
    }
    if (path === '/api/whoami-v2') {
      if (!account) {
        this.#refuse(response, 401, '', 'Unauthorized');
        return;
      }
      this.#json(response, {
        type: 'user',
        id: '1',
        name: account.name,
        fullname: account.name,
        email: '',
        orgs: [],
        auth: { type: 'access_token', accessToken: { displayName: 'test', role: account.role } },
      });
      return;
    }
    if (path === '/api/repos/create' && method === 'POST') {
      const { name, organization, visibility } = JSON.parse((await bodyOf(request)).toString()) as Record<
        string,
        string
      >;
      const repo = `${organization!}/${name!}`;
      if (account?.role !== 'write' || account.name !== organization) {
        this.#refuse(response, 403, '', "You don't have the rights to create a model under this namespace");
        return;
      }
      if (this.models.has(repo)) {
        this.#json(response, { error: 'You already created this model repo' }, 409);
        return;
      }
      this.models.set(repo, {
        repo,
        private: visibility === 'private',
        branches: new Map([['main', hex('sha1', repo)]]),
        commits: new Map([[hex('sha1', repo), new Map()]]),
      });
      this.#json(response, { url: `${this.endpoint}/${repo}`, id: repo });
      return;
    }
    const api = /^\/api\/models\/((?:[^/]+\/)?[^/]+)\/(revision|tree|preupload|commit)\/(.+)$/.exec(path);
    const file = /^(?:\/api\/resolve-cache\/models)?\/((?:[^/]+\/)?[^/]+)\/(?:resolve\/)?([^/]+)\/(.+)$/.exec(
      /\/resolve(-cache)?\//.test(path) ? path : '',
    );
    const batch = /^\/((?:[^/]+\/)?[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path);
    const repo = (api ?? file ?? batch)?.[1];
    const model = this.models.get(repo ?? '');
    if (
      !model ||
      (model.private && !account?.may.includes(model.repo) && account?.name !== model.repo.split('/')[0])
    ) {
      this.#refuse(response, account ? 404 : 401, 'RepoNotFound', 'Repository not found');
      return;
    }
    const writes = account?.role === 'write' && account.name === model.repo.split('/')[0];
    if ((batch || api?.[2] === 'preupload' || api?.[2] === 'commit') && !writes) {
      this.#refuse(response, 403, '', 'Forbidden: pass write access');
      return;
    }
    if (batch) {
      await this.#batch(request, response);
      return;
    }
    if (api?.[2] === 'preupload') {
      const { files } = JSON.parse((await bodyOf(request)).toString()) as { files: { path: string }[] };
      this.#json(response, {
        files: files.map(({ path }) => ({
          path,
          uploadMode: path.endsWith('.safetensors') ? 'lfs' : 'regular',
        })),
      });
      return;
    }
    if (api?.[2] === 'commit') {
      await this.#commit(request, response, model, api[3]!);
      return;
    }
    const asked = (api?.[3] ?? file?.[2])!;
    const commit = asked === 'HEAD' ? model.branches.get('main')! : (model.branches.get(asked) ?? asked);
    const files = model.commits.get(commit);
    if (!files) {
      this.#refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${asked}`);
      return;
    }
    if (api?.[2] === 'revision') {
      this.#json(response, this.#entry(model, commit));
      return;
    }
    if (api) {
      const all = [...files].map(([path, { bytes, lfs, oid, sha }]) => ({
        type: 'file',
        path,
        oid,
        size: bytes.length,
        ...(lfs ? { lfs: { oid: sha, size: bytes.length, pointerSize: 130 }, xetHash: sha } : {}),
      }));
      const from = Number(url.searchParams.get('cursor') ?? 0);
      const to = from + this.pageSize;
      this.#json(
        response,
        all.slice(from, to),
        200,
        to < all.length
          ? {
              Link: `<${this.endpoint}${url.pathname}?recursive=false&expand=false&cursor=${to}>; rel="next"`,
            }
          : {},
      );
      return;
    }
    if (model.gated && !account?.may.includes(model.repo)) {
      this.#refuse(response, account ? 403 : 401, 'GatedRepo', 'Access to this model is restricted');
      return;
    }
    const found = files.get(file![3]!);
    const fault = this.#fault.get(response);
    if (!found) {
      this.#refuse(response, 404, 'EntryNotFound', 'Entry not found');
      return;
    }
    const etag = fault?.etag ?? (found.lfs ? found.sha : found.oid);
    const headers = { 'X-Repo-Commit': commit, 'Accept-Ranges': 'bytes' };
    if (found.lfs) {
      response
        .writeHead(302, {
          ...headers,
          Location: `${this.cdn}/blob/${found.sha}?Signature=very-secret`,
          'X-Linked-Etag': `"${etag}"`,
          'X-Linked-Size': String(found.bytes.length),
          ETag: '"redirect"',
        })
        .end();
      return;
    }
    // Small files are answered from a cache of the Hub's own origin.
    if (!path.startsWith('/api/')) {
      response
        .writeHead(307, {
          ...headers,
          Location: `/api/resolve-cache/models/${model.repo}/${commit}/${file![3]!}`,
          ETag: '"redirect"',
        })
        .end();
      return;
    }
    await this.#send(request, response, found.bytes, {
      ...headers,
      ETag: `"${etag}"`,
      'Content-Type': 'text/plain',
    });
  }

  #entry(model: Model, commit: string): Record<string, unknown> {
    const files = model.commits.get(commit)!;
    const config = readJson(files.get('config.json')?.bytes.toString() ?? '{}') as {
      model_type?: string;
      quantization_config?: unknown;
    };
    const names = [...files.keys()];
    const weights = names.filter((name) => name.endsWith('.safetensors'));
    const total = weights.reduce((n, name) => n + parametersOf(files.get(name)!.bytes), 0);
    return {
      _id: hex('md5', model.repo),
      id: model.repo,
      sha: commit,
      private: model.private,
      gated: model.gated ?? false,
      downloads: model.downloads ?? 0,
      likes: model.likes ?? 0,
      lastModified: model.updated ?? '2026-01-02T03:04:05.000Z',
      pipeline_tag: model.task ?? 'text-generation',
      library_name: model.library ?? 'transformers',
      tags: [
        ...(weights.length
          ? ['safetensors']
          : names.some((name) => name.endsWith('.bin'))
            ? ['pytorch']
            : []),
        ...(config.model_type ? [config.model_type] : []),
        ...(model.licence ? [`license:${model.licence}`] : []),
        ...(model.tags ?? []),
      ],
      config: {
        ...(config.model_type ? { model_type: config.model_type } : {}),
        ...(config.quantization_config ? { quantization_config: config.quantization_config } : {}),
      },
      ...(weights.length ? { safetensors: { parameters: { F32: total }, total } } : {}),
      siblings: names.map((rfilename) => ({ rfilename })),
    };
  }

  #search(response: ServerResponse, url: URL): void {
    const ask = url.searchParams;
    const filters = ask.getAll('filter');
    const words = (ask.get('search') ?? '').toLowerCase();
    const task = ask.get('pipeline_tag');
    const sort = ask.get('sort') as 'downloads' | 'likes' | 'lastModified' | null;
    const limit = Math.min(this.pageSize, Number(ask.get('limit') ?? 50));
    const from = Number(ask.get('cursor') ?? 0);
    const all = [...this.models.values()]
      .filter((model) => !model.private)
      .map((model) => this.#entry(model, model.branches.get('main')!))
      .filter(
        (entry) =>
          String(entry['id']).toLowerCase().includes(words) &&
          filters.every((tag) => (entry['tags'] as string[]).includes(tag)) &&
          (!task || entry['pipeline_tag'] === task),
      )
      .sort((a, b) => (sort ? (a[sort]! < b[sort]! ? 1 : a[sort]! > b[sort]! ? -1 : 0) : 0));
    const next = new URL(url.pathname + url.search, this.endpoint);
    next.searchParams.set('cursor', String(from + limit));
    this.#json(
      response,
      all.slice(from, from + limit),
      200,
      from + limit < all.length ? { Link: `<${next.href}>; rel="next"` } : {},
    );
  }

  async #batch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { objects, transfers } = JSON.parse((await bodyOf(request)).toString()) as {
      objects: { oid: string; size: number }[];
      transfers: string[];
    };
    const action = ({ oid, size }: { oid: string; size: number }): unknown => {
      if (this.#blobs.has(oid)) return { oid, size };
      const count = Math.ceil(size / this.partBytes);
      const parts = size > this.partBytes;
      const header = parts
        ? {
            chunk_size: String(this.partBytes),
            ...Object.fromEntries(
              Array.from({ length: count }, (_, i) => [
                String(i + 1).padStart(5, '0'),
                `${this.cdn}/part/${oid}/${i + 1}?Signature=very-secret`,
              ]),
            ),
          }
        : undefined;
      return {
        oid,
        size,
        actions: {
          upload: {
            href: parts
              ? `${this.cdn}/complete/${oid}?Signature=very-secret`
              : `${this.cdn}/upload/${oid}?Signature=very-secret`,
            ...(header ? { header } : {}),
          },
        },
      };
    };
    this.#json(response, {
      transfer: transfers.includes('xet') ? 'xet' : this.partBytes < Infinity ? 'multipart' : 'basic',
      objects: objects.map(action),
    });
  }

  async #commit(
    request: IncomingMessage,
    response: ServerResponse,
    model: Model,
    branch: string,
  ): Promise<void> {
    const lines = (await bodyOf(request))
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
    const files = new Map<string, Buffer>();
    const lfs: string[] = [];
    for (const { key, value } of lines) {
      if (key === 'file') files.set(value['path']!, Buffer.from(value['content']!, 'base64'));
      if (key !== 'lfsFile') continue;
      const blob = this.#blobs.get(value['oid']!);
      if (!blob) {
        this.#json(response, { error: `${value['path']!} was not uploaded` }, 400);
        return;
      }
      files.set(value['path']!, blob);
      lfs.push(value['path']!);
    }
    const commit = this.add(model.repo, Object.fromEntries(files), {}, branch);
    this.pushed.push({ repo: model.repo, branch, summary: lines[0]!.value['summary']!, files, lfs, commit });
    this.#json(response, {
      commitOid: commit,
      commitUrl: `${this.endpoint}/${model.repo}/commit/${commit}`,
      hookOutput: '',
    });
  }

  async #cdn(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const [, what, sha = '', part] = url.pathname.split('/');
    // Signed storage refuses a request that carries another authorization.
    if (url.searchParams.get('Signature') !== 'very-secret' || request.headers.authorization !== undefined) {
      response.writeHead(403).end();
      return;
    }
    if (what === 'blob') {
      await this.#send(request, response, this.#blobs.get(sha)!, {
        'Accept-Ranges': 'bytes',
        ETag: '"storage"',
        'Content-Type': 'application/octet-stream',
      });
      return;
    }
    if (request.method === 'PUT' && request.headers['content-length'] === undefined) {
      response.writeHead(411).end();
      return;
    }
    const body = await bodyOf(request);
    if (what === 'part') {
      const all = this.#parts.get(sha) ?? new Map<number, Buffer>();
      all.set(Number(part), body);
      this.#parts.set(sha, all);
      response.writeHead(200, { ETag: `"${hex('md5', body)}"` }).end();
      return;
    }
    const whole =
      what === 'complete'
        ? Buffer.concat([...this.#parts.get(sha)!].sort(([a], [b]) => a - b).map(([, bytes]) => bytes))
        : body;
    if (hex('sha256', whole) !== sha) {
      response.writeHead(400).end('hash');
      return;
    }
    this.#blobs.set(sha, whole);
    response.writeHead(200).end();
  }

  /** A file or a range of it, with whatever fault was asked for. */
  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const fault = this.#fault.get(response);
    const range = fault?.plain ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(bytes.length, Number(range[2]) + 1) : bytes.length;
    if (range && from >= bytes.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${bytes.length}` }).end();
      return;
    }
    let body = bytes.subarray(from, to);
    if (fault?.wrong) {
      body = Buffer.from(body);
      body[body.length >> 1]! ^= 1;
    }
    response.writeHead(range ? 206 : 200, {
      ...headers,
      'Content-Length': String(body.length),
      ...(range ? { 'Content-Range': `bytes ${from}-${to - 1}/${bytes.length}` } : {}),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    if (fault?.cut !== undefined) {
      response.write(body.subarray(0, fault.cut), () => {
        response.destroy();
      });
      return;
    }
    const step = fault?.slow ? 4096 : body.length;
    for (let at = 0; at < body.length && !response.destroyed; at += step) {
      response.write(body.subarray(at, at + step));
      if (fault?.slow && this.faults.includes(fault))
        await new Promise((good) => {
          setTimeout(good, fault.slow);
        });
    }
    response.end();
  }
}

const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
};

/** Parameters that a safetensors header names. */
function parametersOf(bytes: Buffer): number {
  const header = readJson(
    bytes.length > 8 ? bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString() : '',
  ) as Record<string, { shape?: number[] }>;
  return Object.values(header).reduce(
    (n, { shape }) => n + (shape ? shape.reduce((a, b) => a * b, 1) : 0),
    0,
  );
}
