/** @file Errors of tunings. */
import type { ErrorText } from './text.ts';

export const tuneErrors = {
  'tune/not-found': (d: { path: string }): ErrorText => [
    `there is no tuning in ${d.path}`,
    'Give the folder that cambium tune made, with its tune.json.',
  ],
  'tune/damaged': (d: { path: string; why: string }): ErrorText => [
    `the tuning ${d.path} cannot be read: ${d.why}`,
    'Restore the file from a backup, or tune again into another folder.',
  ],
  'tune/finished': (d: { path: string }): ErrorText => [
    `the tuning ${d.path} has made all of its trials`,
    'Read its report, or tune again into another folder with more trials.',
  ],
  'tune/changed': (d: { path: string; what: string }): ErrorText => [
    `${d.what} has changed since the first trials of ${d.path}, so further trials could not be compared with them`,
    'Restore it as it was, or tune again into another folder.',
  ],
  'tune/no-result': (d: { path: string }): ErrorText => [
    `no trial of the tuning ${d.path} has finished`,
    'Continue it with cambium tune --resume, or give the settings yourself.',
  ],
  'tune/running': (d: { path: string }): ErrorText => [
    `the tuning ${d.path} is already running`,
    'Follow it, or pause it first.',
  ],
  'tune/no-widths': (d: { model: string }): ErrorText => [
    `no multiple or part of the width of ${d.model} gives a model of its family`,
    'Check another model of the family, whose width and heads can be halved or doubled.',
  ],
};
