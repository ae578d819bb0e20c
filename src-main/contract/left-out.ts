/** @file Sentences about the files and records that training does not read, for the page and the command line. */
import { formatQuantity } from '../base/format.ts';
import type { LeftOutRecords } from './schema.ts';
import type { DataItemPreview } from './text.ts';

/** Names of files that a sentence lists. */
const listedNames = 3;

/** A sentence about the records that gave no document; undefined if all did. */
export function describeLeftOutRecords({ missing, empty }: LeftOutRecords): string | undefined {
  const parts = [
    ...(missing > 0 ? [`${formatQuantity(missing, 'record')} without the field`] : []),
    ...(empty > 0 ? [`${formatQuantity(empty, 'record')} with an empty text`] : []),
  ];
  return parts.length > 0 ? `Left out: ${parts.join(', ')}.` : undefined;
}

/** A sentence for each reason to leave files of a folder out. */
export const describeLeftOutFiles = ({ path, leftOutFiles }: DataItemPreview): readonly string[] =>
  leftOutFiles.map(({ why, names }) => {
    const listed = [...names.slice(0, listedNames), ...(names.length > listedNames ? ['…'] : [])];
    return `Left out of ${path}: ${formatQuantity(names.length, 'file')}, ${why} (${listed.join(', ')}).`;
  });
