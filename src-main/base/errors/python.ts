/** @file Errors of Python programs that Cambium runs to compare itself with transformers. */
import { listNames, type ErrorText } from './text.ts';

const choosePython = 'Choose a Python with --python PATH or CAMBIUM_PYTHON';

export const pythonErrors = {
  'python/not-found': (d: { tried: readonly string[] }): ErrorText => [
    `no Python was found (tried ${listNames(d.tried, 5)})`,
    `${choosePython}.`,
  ],
  'python/missing-package': (d: { python: string; package: string }): ErrorText => [
    `${d.python} has no package ${d.package}`,
    `Install it: ${d.python} -m pip install torch transformers safetensors. ${choosePython}, if another one has it.`,
  ],
  'python/cannot-open': (d: { model: string; why: string }): ErrorText => [
    `transformers cannot open ${d.model}: ${d.why}`,
    'Update transformers, or report this if Cambium wrote the model.',
  ],
  'python/timeout': (d: { python: string; minutes: number }): ErrorText => [
    `${d.python} did not answer within ${d.minutes} minutes`,
    'Compare on fewer tokens with --tokens, or give it more time with --timeout.',
  ],
  'python/failed': (d: { python: string; how: string; lines: string }): ErrorText => [
    `${d.python} failed: ${d.how}${d.lines === '' ? '' : `: ${d.lines}`}`,
    `${choosePython}, or repair this one.`,
  ],
} as const;
