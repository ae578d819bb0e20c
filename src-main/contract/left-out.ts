/** @file Sentences about the files and records that training does not read, for the page and the command line. */
import { formatQuantity } from '../base/format.ts';
import type { LeftOut } from '../base/left-out.ts';
import type { DataItemPreview } from './text.ts';

/** Names of files that a sentence lists. */
const listedNames = 3;

const reasons: readonly (readonly [keyof LeftOut, string, string])[] = [
  ['missing', 'record', 'without the field'],
  ['empty', 'record', 'with an empty text'],
  ['short', 'document', 'that are too short'],
  ['long', 'document', 'that are too long'],
  ['duplicate', 'document', 'equal to an earlier one'],
  ['language', 'document', 'in other languages'],
];

/** A sentence about the records that gave no document; undefined if all did. */
export function describeLeftOutRecords(leftOut: Readonly<LeftOut>): string | undefined {
  const parts = reasons.flatMap(([reason, noun, why]) => {
    const n = leftOut[reason] ?? 0;
    return n > 0 ? [`${formatQuantity(n, noun)} ${why}`] : [];
  });
  return parts.length > 0 ? `Left out: ${parts.join(', ')}.` : undefined;
}

/** A sentence for each reason to leave files of a folder out. */
export const describeLeftOutFiles = ({ path, leftOutFiles }: DataItemPreview): readonly string[] =>
  leftOutFiles.map(({ why, names }) => {
    const listed = [...names.slice(0, listedNames), ...(names.length > listedNames ? ['…'] : [])];
    return `Left out of ${path}: ${formatQuantity(names.length, 'file')}, ${why} (${listed.join(', ')}).`;
  });
