/** @file The schemas of answers about the Hugging Face Hub. */
import '../no-eval.ts';
import { z } from 'zod';
import type { DownloadEvent, HubAccount, HubCached, HubPage, PushEvent, PushPlan } from '../../model/hub.ts';
import type { HubDatasetHit, HubDatasetView, HubDownload, HubModel } from '../hub.ts';
import { checkpointSummary } from './checkpoints.ts';
import { count, errorData, number, text, texts } from './shared-schemas.ts';
import { exactly } from './exact.ts';

const gate = z.union([z.literal(false), z.literal('auto'), z.literal('manual')]);
const why = errorData.nullable();

export const hubPage = exactly<HubPage>()(
  z.object({
    hits: z.array(
      z.object({
        repo: text,
        family: text.nullable(),
        parameters: number.nullable(),
        licence: text.nullable(),
        downloads: number,
        likes: number,
        updated: text,
        gated: gate,
        private: z.boolean(),
        why,
      }),
    ),
    next: text.nullable(),
  }),
);

export const hubDatasets = exactly<readonly HubDatasetHit[]>()(
  z.array(
    z.object({
      repo: text,
      downloads: number,
      likes: number,
      updated: text,
      gated: gate,
      private: z.boolean(),
    }),
  ),
);

const hubFiles = z.array(z.object({ path: text, bytes: number, etag: text, sha256: z.boolean() }));

export const hubDataset = exactly<HubDatasetView>()(
  z.object({
    dataset: z.object({
      repo: text,
      revision: text,
      commit: text,
      gated: gate,
      private: z.boolean(),
      isConverted: z.boolean(),
      splits: z.array(z.object({ config: text, split: text, files: hubFiles, bytes: number })),
    }),
    chosen: z.object({ config: text, split: text }).nullable(),
    preview: z
      .object({
        columns: z.array(z.object({ name: text, type: text })),
        rows: z.array(z.array(text.nullable())),
        firstFileRows: count,
      })
      .nullable(),
  }),
);

export const hubModel = exactly<HubModel>()(
  z.object({
    repo: text,
    revision: text,
    commit: text,
    files: hubFiles,
    // The page links to it.
    url: z.url({ protocol: /^https?$/ }),
    gated: gate,
    private: z.boolean(),
    licence: text.nullable(),
    downloads: number,
    likes: number,
    updated: text,
    bytes: number,
    skipped: z.object({ files: count, bytes: number }),
    why,
    card: checkpointSummary.nullable(),
    needed: number,
    free: number,
    memory: number,
    doubled: z
      .object({
        sizes: z.record(text, z.tuple([number, number])),
        parameters: number,
        disk: number,
        grow: number,
        train: number,
      })
      .nullable(),
    dir: text.nullable(),
  }),
);

export const hubCached = exactly<HubCached>()(
  z.object({
    repo: text,
    commit: text,
    refs: texts,
    dir: text,
    bytes: number,
    family: text.nullable(),
    why,
    own: z.boolean(),
  }),
);

export const hubDownload = exactly<HubDownload>()(
  z.object({
    repo: text,
    revision: text,
    commit: text,
    done: number,
    bytes: number,
    state: z.enum(['paused', 'elsewhere', 'running']),
    job: text.nullable(),
  }),
);

export const downloadEvent = exactly<DownloadEvent>()(
  z.union([
    z.object({
      type: z.literal('bytes'),
      done: number,
      of: number,
      perSecond: number,
      files: count,
      ofFiles: count,
      now: texts,
    }),
    z.object({ type: z.literal('paused'), done: number, of: number }),
    z.object({
      type: z.literal('done'),
      repo: text,
      commit: text,
      dir: text,
      bytes: number,
      seconds: number,
    }),
  ]),
);

export const hubAccount = exactly<HubAccount>()(
  z.object({
    endpoint: text,
    cache: text,
    offline: z.boolean(),
    from: z.enum(['HF_TOKEN', 'the key store', 'memory', 'the token file']).nullable(),
    name: text.nullable(),
    write: z.boolean().nullable(),
    error: why,
    keeps: z.enum(['key store', 'memory']),
  }),
);

export const pushPlan = exactly<PushPlan>()(
  z.object({
    dir: text,
    repo: text,
    account: text.nullable(),
    exists: z.boolean().nullable(),
    private: z.boolean().nullable(),
    blocker: why,
    files: z.array(z.object({ path: text, bytes: number })),
    bytes: number,
    url: z.url({ protocol: /^https?$/ }),
  }),
);

export const pushEvent = exactly<PushEvent>()(
  z.union([
    z.object({
      type: z.literal('bytes'),
      phase: z.enum(['hashing', 'uploading', 'committing']),
      done: number,
      of: number,
      perSecond: number,
      now: text,
    }),
    z.object({
      type: z.literal('done'),
      repo: text,
      commit: text,
      url: z.url({ protocol: /^https?$/ }),
      files: count,
      bytes: number,
      private: z.boolean(),
    }),
  ]),
);
