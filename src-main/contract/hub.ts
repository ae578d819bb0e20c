/** @file Requests and responses about the Hugging Face Hub. */
import { z } from 'zod';
import type { HubModelInfo, HubPartial } from '../model/hub.ts';
import { path } from './schema.ts';

export type { DatasetPreview, HubDataset, HubDatasetHit, HubDatasetView } from '../model/hub-dataset.ts';
export type {
  DownloadEvent,
  HubAccount,
  HubCached,
  HubHit,
  HubPage,
  PushEvent,
  PushFile,
  PushPlan,
} from '../model/hub.ts';

/** `repo` is `owner/name`; a revision is a branch, a tag or a commit. */
export const hubName = z.object({
  repo: z.string().min(1).max(300),
  revision: z.string().min(1).max(200).optional(),
});

export const datasetSearch = z.object({ query: z.string().max(200) });

/** `name` is `hf://datasets/OWNER/NAME@REVISION/CONFIGURATION:SPLIT`; `rows` is how many of the first rows are read. */
export const datasetRequest = z.object({
  name: z.string().min(1).max(1000),
  rows: z.number().int().min(0).max(100),
});

const count = z.number().min(0).max(1e15);
/** `all` includes models that cannot be grown; `from` is the `next` of the page before. */
export const hubSearch = z.object({
  query: z.string().max(200),
  sort: z.enum(['downloads', 'likes', 'updated']),
  family: z.string().max(100),
  minParameters: count.nullable(),
  maxParameters: count.nullable(),
  licence: z.string().max(100),
  all: z.boolean(),
  from: z.string().max(4000).nullable(),
});

/** `anyway` downloads a model even if it cannot be grown. */
export const downloadRequest = hubName.extend({ anyway: z.boolean().optional() });
export const hubToken = z.object({ token: z.string().min(1).max(500).nullable() });
export const pushRequest = z.object({ dir: path, repo: z.string().min(1).max(300) });
export const pushJob = pushRequest.extend({ private: z.boolean() });

export type HubSearch = z.infer<typeof hubSearch>;
export type DownloadRequest = z.infer<typeof downloadRequest>;

/** What doubling the width of a model would need, computed from its headers. */
export interface DoubledModel {
  readonly sizes: Readonly<Record<string, readonly [from: number, to: number]>>;
  readonly parameters: number;
  /** Bytes of the grown checkpoint. */
  readonly disk: number;
  /** Bytes of memory to grow it. */
  readonly grow: number;
  /** Bytes of memory to train it in float32 with AdamW: weights, gradients and two moments. */
  readonly train: number;
}

/** A model of the Hub, and whether this computer can hold it. `dir` is set if it is downloaded completely. */
export interface HubModel extends HubModelInfo {
  /** Bytes that are left to download. */
  readonly needed: number;
  /** Free bytes on the disk of the cache. */
  readonly free: number;
  /** Bytes of memory of this computer. */
  readonly memory: number;
  readonly doubled: DoubledModel | null;
  readonly dir: string | null;
}

/** An incomplete download. `job` is set while this service is downloading it. */
export interface HubDownload extends Omit<HubPartial, 'state'> {
  readonly state: HubPartial['state'] | 'running';
  readonly job: string | null;
}
