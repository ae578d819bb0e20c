/** @file What the service reports about datasets on the Hugging Face Hub. */
import type { Gate, HubFile } from './hub.ts';

export interface HubDatasetHit {
  readonly repo: string;
  readonly downloads: number;
  readonly likes: number;
  /** ISO 8601. */
  readonly updated: string;
  readonly gated: Gate;
  readonly private: boolean;
}

/** The Parquet files of one split of one configuration, sorted by name. */
export interface DatasetSplit {
  readonly config: string;
  readonly split: string;
  readonly files: readonly HubFile[];
  /** Size of the files. */
  readonly bytes: number;
}

/** A dataset at a commit. */
export interface HubDataset {
  /** `owner/name`. */
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly gated: Gate;
  readonly private: boolean;
  /** True if the files are the copies in Parquet that the Hub makes of other formats. */
  readonly isConverted: boolean;
  readonly splits: readonly DatasetSplit[];
}

/** A dataset, with the beginning of one of its splits if it is clear which one is meant. */
export interface HubDatasetView {
  readonly dataset: HubDataset;
  readonly chosen: { readonly config: string; readonly split: string } | null;
  readonly preview: DatasetPreview | null;
}

/** The columns and the first rows of a split. */
export interface DatasetPreview {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** The values of each row as text, cut to a length that fits a page; null where there is none. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Rows of the first file. */
  readonly firstFileRows: number;
}
