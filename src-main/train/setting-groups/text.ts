/** @file Settings of which documents are read, and of text that is streamed. */
import { choice, integer, onOff, real, text } from '../setting.ts';

export const textSettings = {
  dedupe: choice({
    label: 'Leave out duplicates',
    help: 'Leaves out documents whose text is equal to that of an earlier one.',
    group: 'text',
    default: 'off',
    labels: onOff,
  }),
  minCharacters: integer({
    label: 'Shortest document',
    help: 'Leaves out documents with fewer characters. 0 keeps all.',
    group: 'text',
    default: 0,
    min: 0,
    max: 1e9,
    unit: 'characters',
  }),
  maxCharacters: integer({
    label: 'Longest document',
    help: 'Leaves out documents with more characters. 0 keeps all.',
    group: 'text',
    default: 0,
    min: 0,
    max: 1e9,
    unit: 'characters',
  }),
  languages: text({
    label: 'Languages',
    help: 'Keeps documents in these languages: codes such as en,de. Empty keeps all.',
    group: 'text',
    default: '',
    maxLength: 1000,
  }),
  shuffleWindows: integer({
    label: 'Shuffle buffer',
    help: 'Sequences of a streamed dataset that are shuffled together.',
    group: 'text',
    default: 4096,
    min: 1,
    max: 2 ** 30,
    unit: 'sequences',
  }),
  streamDisk: real({
    label: 'Disk for streamed text',
    help: 'Most disk space for the tokens of streamed datasets that wait to be trained on.',
    group: 'text',
    default: 2,
    min: 0.001,
    max: 1e6,
    unit: 'GB',
  }),
};
