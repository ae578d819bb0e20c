/** @file Errors of files and folders. */
import { formatBytes } from '../format.ts';
import type { ErrorText } from './text.ts';

export const fileErrors = {
  'file/not-found': (d: { path: string }): ErrorText => [
    `${d.path} does not exist`,
    'Check the path, or choose the folder again.',
  ],
  'file/not-a-folder': (d: { path: string }): ErrorText => [
    `${d.path} is not a folder`,
    'Choose the folder that contains config.json and the .safetensors files.',
  ],
  'file/unreadable': (d: { path: string; why: string }): ErrorText => [
    `${d.path} cannot be read: ${d.why}`,
    'Check its permissions and that the disk is attached.',
  ],
  'file/unwritable': (d: { path: string; why: string }): ErrorText => [
    `${d.path} cannot be written: ${d.why}`,
    'Choose another folder, or change its permissions.',
  ],
  'file/exists': (d: { path: string }): ErrorText => [
    `${d.path} already exists`,
    'Choose a new name; Cambium never overwrites a folder.',
  ],
  'file/no-space': (d: { path: string; needed: number; free: number }): ErrorText => [
    d.needed > 0
      ? `${d.path} needs ${formatBytes(d.needed)} but the disk has ${formatBytes(d.free)} free`
      : `the disk of ${d.path} is full`,
    'Free some space, or choose another disk.',
  ],
  'file/too-large': (d: { path: string; bytes: number; limit: number }): ErrorText => [
    `${d.path} has ${formatBytes(d.bytes)}, and a file of its kind has at most ${formatBytes(d.limit)}`,
    'It is damaged or was made to exhaust the memory: get the file again from where it comes from.',
  ],
  'file/not-text': (d: { path: string; at: number }): ErrorText => [
    `${d.path} is not UTF-8 text (byte ${d.at})`,
    'Choose a plain text file, or convert it to UTF-8 first (iconv -f LATIN1 -t UTF-8).',
  ],
  'file/utf-16': (d: { path: string; encoding: string }): ErrorText => [
    `${d.path} is ${d.encoding} text, but Cambium reads UTF-8`,
    `Convert it first: iconv -f ${d.encoding} -t UTF-8 OLD > NEW.`,
  ],
  'file/bad-packing': (d: { path: string; packing: string; why: string }): ErrorText => [
    `${d.path} cannot be unpacked as ${d.packing}: ${d.why}`,
    'The file is damaged or incomplete; download it again.',
  ],
  'file/bomb': (d: { path: string; packed: number; unpacked: number }): ErrorText => [
    `${d.path} of ${formatBytes(d.packed)} unpacks to more than ${formatBytes(d.unpacked)}`,
    'If you trust the file, unpack it yourself and choose the unpacked one.',
  ],
  'file/bad-json': (d: { path: string; why: string }): ErrorText => [
    `${d.path} is not valid JSON: ${d.why}`,
    'The file is damaged or incomplete; download it again.',
  ],
} as const;
