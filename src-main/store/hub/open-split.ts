/** @file Opens the Parquet files of a split of a dataset on the Hub, and reads its rows from the first one on. */
import { formatDatasetName, type DatasetName } from '../../base/dataset-name.ts';
import { refuse } from '../../base/errors.ts';
import type { LeftOut } from '../../base/left-out.ts';
import type { HubDataset } from '../../model/hub-dataset.ts';
import type { HubFile } from '../../model/hub.ts';
import type { DocumentPart } from '../data/documents.ts';
import type { ParquetFile } from '../data/parquet.ts';
import { inspectDataset, selectSplit } from './datasets.ts';
import { openRemoteParquet } from './remote-parquet.ts';
import type { Hub } from './requests.ts';

export interface SplitRequest {
  readonly hub: Hub;
  readonly dataset: DatasetName;
  readonly column: string;
  readonly signal: AbortSignal;
}

export interface OpenedSplit {
  readonly dataset: HubDataset;
  readonly files: readonly HubFile[];
  /** Opens file number `i`. */
  readonly open: (i: number) => Promise<ParquetFile>;
}

/** Finds the split and checks that its last file has the column. Refuses `data/no-column`, and what the Hub refuses. */
export async function openSplit({ hub, dataset: name, column, signal }: SplitRequest): Promise<OpenedSplit> {
  const dataset = await inspectDataset(hub, name, signal);
  const { files } = selectSplit(dataset, name);
  const { commit } = dataset;
  const repo = `datasets/${dataset.repo}`;
  const open = (i: number): Promise<ParquetFile> =>
    openRemoteParquet(hub, { repo, commit, file: files[i]!, signal });
  const { columns } = await open(files.length - 1);
  const found = columns.map((one) => one.name);
  if (!found.includes(column)) refuse('data/no-column', { path: formatDatasetName(name), column, found });
  return { dataset, files, open };
}

/** The values of the column, in the order of files and rows. */
export async function* readSplit({ files, open }: OpenedSplit, column: string): AsyncGenerator<unknown> {
  for (const i of files.keys()) {
    const parquet = await open(i);
    for (const group of parquet.groupRows.keys()) yield* await parquet.readColumn(group, column);
  }
}

/** The texts of the column as documents. Rows without text are counted in `leftOut`. */
export async function* readSplitDocuments(
  split: OpenedSplit,
  column: string,
  leftOut: LeftOut,
): AsyncGenerator<DocumentPart> {
  for await (const value of readSplit(split, column)) {
    if (typeof value === 'string' && value !== '')
      yield { text: value.toWellFormed(), isFirst: true, isLast: true };
    else leftOut.empty++;
  }
}
