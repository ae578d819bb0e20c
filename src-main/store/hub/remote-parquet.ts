/** @file Parquet files on the Hub, read by byte ranges. */
import type { DatasetPreview, DatasetSplit, HubDataset } from '../../model/hub-dataset.ts';
import { openParquet, type ParquetFile } from '../data/parquet.ts';
import { readFileRange, type RemoteFile } from './file-range.ts';
import type { Hub } from './requests.ts';

/** Characters of a value that a preview shows. */
const shownCharacters = 200;

/** Opens a Parquet file of a dataset: only its metadata is requested. */
export const openRemoteParquet = (hub: Hub, remote: RemoteFile): Promise<ParquetFile> =>
  openParquet(`${remote.repo}/${remote.file.path}`, {
    byteLength: remote.file.bytes,
    async slice(start, end = remote.file.bytes) {
      // A negative start counts from the end, as in Array.slice.
      const from = start < 0 ? Math.max(0, remote.file.bytes + start) : start;
      return (await readFileRange(hub, remote, from, Math.min(end, remote.file.bytes))).buffer;
    },
  });

/** The columns of a split and its first `count` rows. */
export async function previewSplit(
  hub: Hub,
  { repo, commit }: HubDataset,
  { files }: DatasetSplit,
  count: number,
  signal: AbortSignal,
): Promise<DatasetPreview> {
  const parquet = await openRemoteParquet(hub, {
    repo: `datasets/${repo}`,
    commit,
    file: files[0]!,
    signal,
  });
  const rows = count === 0 ? [] : await parquet.readRows(count);
  return {
    columns: parquet.columns,
    rows: rows.map((row) => parquet.columns.map(({ name }) => toShownText(row[name]))),
    firstFileRows: parquet.groupRows.reduce((sum, n) => sum + n, 0),
  };
}

function toShownText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text =
    typeof value === 'string'
      ? value
      : JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one));
  const flat = text.slice(0, shownCharacters).toWellFormed();
  return text.length > shownCharacters ? `${flat}…` : flat;
}
