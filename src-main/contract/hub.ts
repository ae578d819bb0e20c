/** @file What is asked of the Hugging Face Hub and answered about it. */
import { z } from 'zod';
import type { HubJudged, HubPartial } from '../model/hub.ts';
import { path } from './schema.ts';

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

/** `owner/name`; a revision is a branch, a tag or a commit. */
export const hubName = z.object({
  repo: z.string().min(1).max(300),
  revision: z.string().min(1).max(200).optional(),
});
const count = z.number().min(0).max(1e15);
export const hubSearch = z.object({
  query: z.string().max(200),
  sort: z.enum(['downloads', 'likes', 'updated']),
  family: z.string().max(100),
  least: count.nullable(),
  most: count.nullable(),
  licence: z.string().max(100),
  all: z.boolean(),
  from: z.string().max(4000).nullable(),
});
/** `anyway` fetches what cannot be grown too. */
export const downloadRequest = hubName.extend({ anyway: z.boolean().optional() });
export const hubToken = z.object({ token: z.string().min(1).max(500).nullable() });
export const pushRequest = z.object({ dir: path, repo: z.string().min(1).max(300) });
export const pushJob = pushRequest.extend({ private: z.boolean() });

export type HubSearch = z.infer<typeof hubSearch>;
export type DownloadRequest = z.infer<typeof downloadRequest>;

/** What growing a model to twice its width would take, worked out from its headers. */
export interface Doubled {
  readonly sizes: Readonly<Record<string, readonly [from: number, to: number]>>;
  readonly parameters: number;
  /** Bytes of the grown checkpoint. */
  readonly disk: number;
  /** Bytes of memory: to grow it, and to train it in float32 with AdamW (weights, gradients, two moments). */
  readonly grow: number;
  readonly train: number;
}

/** A model of the Hub and how it fits this computer. `dir` is set when it is here whole. */
export interface HubModel extends HubJudged {
  readonly needed: number;
  readonly free: number;
  readonly memory: number;
  readonly doubled: Doubled | null;
  readonly dir: string | null;
}
/** A download that is not whole; `job` when this service is at it. */
export interface HubDownload extends Omit<HubPartial, 'state'> {
  readonly state: HubPartial['state'] | 'running';
  readonly job: string | null;
}
