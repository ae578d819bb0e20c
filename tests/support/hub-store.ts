/** @file The models of the Hub server for tests: commits, file blobs, metadata and search. */
import { hashOf } from './hub-http.ts';
import type { HubModel, ModelOptions, StoredFile } from './hub-types.ts';

export type FileContents = Readonly<Record<string, Buffer | string>>;
/** The fields of a model in the JSON of huggingface.co. */
type ModelEntry = Record<string, unknown>;

export class HubStore {
  readonly models = new Map<string, HubModel>();
  /** SHA-256 → content, for LFS. */
  readonly blobs = new Map<string, Buffer>();
  #commitCount = 0;

  /** Creates an empty model, as `POST /api/repos/create` does. */
  createModel(repo: string, isPrivate: boolean): void {
    const commit = hashOf('sha1', repo);
    this.models.set(repo, {
      repo,
      private: isPrivate,
      branches: new Map([['main', commit]]),
      commits: new Map([[commit, new Map()]]),
    });
  }

  /** Adds a commit to a branch of a model, which is created if it does not exist; returns the commit. */
  addCommit(repo: string, files: FileContents, options: ModelOptions = {}, branch = 'main'): string {
    const model = this.models.get(repo) ?? {
      repo,
      ...options,
      private: options.private ?? false,
      branches: new Map<string, string>(),
      commits: new Map<string, ReadonlyMap<string, StoredFile>>(),
    };
    const commit = hashOf('sha1', `${repo} ${this.#commitCount++}`);
    const stored = new Map<string, StoredFile>();
    for (const [path, content] of Object.entries(files)) {
      const bytes = Buffer.from(content);
      const sha = hashOf('sha256', bytes);
      const lfs = /\.(safetensors|bin|model|onnx|parquet)$/.test(path) || bytes.length > 200_000;
      this.blobs.set(sha, bytes);
      stored.set(path, { bytes, lfs, sha, oid: hashOf('sha1', `blob ${bytes.length}\0`, bytes) });
    }
    model.commits.set(commit, stored);
    model.branches.set(branch, commit);
    this.models.set(repo, model);
    return commit;
  }

  /** The files of a branch or commit, with the commit; files are undefined if there is no such revision. */
  resolve(model: HubModel, revision: string): { commit: string; files: HubModelFiles | undefined } {
    const branch = revision === 'HEAD' ? 'main' : revision;
    const commit = model.branches.get(branch) ?? revision;
    return { commit, files: model.commits.get(commit) };
  }

  /** The JSON of one model at a commit. */
  entryOf(model: HubModel, commit: string): ModelEntry {
    const files = model.commits.get(commit)!;
    const config = parseJson(files.get('config.json')?.bytes.toString() ?? '{}') as {
      model_type?: string;
      quantization_config?: unknown;
    };
    const names = [...files.keys()];
    const weights = names.filter((name) => name.endsWith('.safetensors'));
    const hasPickle = names.some((name) => name.endsWith('.bin'));
    const total = weights.reduce((sum, name) => sum + countParameters(files.get(name)!.bytes), 0);
    const format = weights.length > 0 ? ['safetensors'] : hasPickle ? ['pytorch'] : [];
    const { model_type: modelType, quantization_config: quantization } = config;
    return {
      _id: hashOf('md5', model.repo),
      id: model.repo.replace(/^datasets\//, ''),
      sha: commit,
      private: model.private,
      gated: model.gated ?? false,
      downloads: model.downloads ?? 0,
      likes: model.likes ?? 0,
      lastModified: model.updated ?? '2026-01-02T03:04:05.000Z',
      pipeline_tag: model.task ?? 'text-generation',
      library_name: model.library ?? 'transformers',
      tags: [
        ...format,
        ...(modelType ? [modelType] : []),
        ...(model.license ? [`license:${model.license}`] : []),
        ...(model.tags ?? []),
      ],
      config: {
        ...(modelType ? { model_type: modelType } : {}),
        ...(quantization ? { quantization_config: quantization } : {}),
      },
      ...(weights.length > 0 ? { safetensors: { parameters: { F32: total }, total } } : {}),
      siblings: names.map((rfilename) => ({ rfilename })),
    };
  }

  /** The public models that match the query of `GET /api/models`, sorted as it says. */
  search(query: URLSearchParams, isDataset = false): readonly ModelEntry[] {
    const filters = query.getAll('filter');
    const words = (query.get('search') ?? '').toLowerCase();
    const task = query.get('pipeline_tag');
    const sort = query.get('sort') as 'downloads' | 'likes' | 'lastModified' | null;
    const matches = (entry: ModelEntry): boolean =>
      String(entry['id']).toLowerCase().includes(words) &&
      filters.every((tag) => (entry['tags'] as string[]).includes(tag)) &&
      (!task || entry['pipeline_tag'] === task);
    const descending = (a: ModelEntry, b: ModelEntry): number => {
      if (!sort) return 0;
      if (a[sort]! < b[sort]!) return 1;
      return a[sort]! > b[sort]! ? -1 : 0;
    };
    return [...this.models.values()]
      .filter((model) => !model.private && model.repo.startsWith('datasets/') === isDataset)
      .map((model) => this.entryOf(model, model.branches.get('main')!))
      .filter(matches)
      .sort(descending);
  }
}
export type HubModelFiles = ReadonlyMap<string, StoredFile>;

/** `text` as JSON, or an empty object if it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Number of parameters that the header of a safetensors file lists. */
function countParameters(bytes: Buffer): number {
  if (bytes.length <= 8) return 0;
  const header = parseJson(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString()) as Record<
    string,
    { shape?: number[] }
  >;
  const sizes = Object.values(header).map(({ shape }) => (shape ? shape.reduce((a, b) => a * b, 1) : 0));
  return sizes.reduce((a, b) => a + b, 0);
}
