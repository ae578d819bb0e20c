/** @file cambium verify --against transformers: compares the logits of Cambium with those of the real library. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { deviceChoices } from '../../../base/device.ts';
import { refuse } from '../../../base/errors.ts';
import { formatInteger } from '../../../base/format.ts';
import type { WrittenLogits } from '../../../contract/schema.ts';
import {
  agrees,
  comparisonAnswer,
  toleranceOf,
  type ComparisonAnswer,
  type LogitComparison,
} from '../../../contract/transformers.ts';
import { findInstallation, findResources } from '../../environment.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { readCertificateText } from '../certificate-flags.ts';
import { getText, type Context } from '../command.ts';
import { exits, table } from '../output.ts';
import { runPython } from '../python.ts';

type Answer = Extract<ComparisonAnswer, { results: unknown }>;

const script = join(findResources(findInstallation(import.meta.dirname)), 'python', 'compare_logits.py');

/**
 * Compares each of the folders, or with --export a copy that Cambium writes, with transformers. The exit code is 3
 * if the logits of one differ by more than rounding.
 */
export async function verifyAgainstTransformers(
  { api, out, options, signal }: Context,
  dirs: readonly string[],
): Promise<number> {
  const models = dirs.map((dir) => resolve(dir));
  const text = readCertificateText(options);
  const folder = await mkdtemp(join(tmpdir(), 'cambium-verify-'));
  try {
    out.note('Computing logits');
    const written = await api.writeLogits(
      {
        models,
        rewrite: options['export'] === true,
        out: join(folder, 'logits'),
        device: readChoice('--device', String(options['device']), deviceChoices),
        ...(text ? { text } : {}),
      },
      signal,
    );
    out.note('Computing them in transformers');
    const { python, answer } = await runPython(
      script,
      { files: written.files },
      {
        python: getText(options['python']),
        timeoutMinutes: readWhole('--timeout', String(options['timeout']), 1),
        signal,
      },
    );
    const comparison = readAnswer(python, answer);
    const results = comparison.results.map((result, i) => ({ dir: models[i]!, ...result }));
    const passed = results.every(agrees);
    out.result(
      { ...comparison, results, text: written.text, passed },
      describe(comparison, dirs, written, passed),
    );
    return passed ? exits.ok : exits.notProven;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Checks what the script printed. Throws `python/missing-package`, `python/cannot-open`, `python/failed`. */
function readAnswer(python: string, printed: unknown): Answer {
  const read = comparisonAnswer.safeParse(printed);
  if (!read.success)
    return refuse('python/failed', { python, how: 'it printed another answer than expected', lines: '' });
  const answer = read.data;
  if ('results' in answer) return answer;
  return 'missing' in answer
    ? refuse('python/missing-package', { python, package: answer.missing })
    : refuse('python/cannot-open', { model: answer.model, why: answer.error });
}

function describe(
  { python, torch, transformers, results, between }: Answer,
  dirs: readonly string[],
  { text, files }: WrittenLogits,
  passed: boolean,
): string {
  const rows = results.map((result, i) => [
    dirs[i]!,
    result.maxLogit.toExponential(2),
    toleranceOf(result).toExponential(2),
    result.lossCambium.toFixed(5),
    result.lossTransformers.toFixed(5),
    `${(100 * result.agreement).toFixed(2)} %`,
  ]);
  const isCopy = files.some(({ model }, i) => model !== resolve(dirs[i]!));
  return [
    passed ? 'Cambium and transformers compute the same logits' : 'Cambium and transformers differ',
    `  on ${formatInteger(results[0]!.tokens)} tokens (${text})${isCopy ? ', in a copy that Cambium wrote' : ''}`,
    `  transformers ${transformers}, torch ${torch}, Python ${python}`,
    '',
    table([['model', 'max |Δlogit|', 'tolerance', 'loss here', 'loss there', 'top-1 agreement'], ...rows]),
    ...results.flatMap((result, i) => describeNames(result, dirs[i]!)),
    ...(between === undefined
      ? []
      : [`Between the two in transformers: max |Δlogit| ${between.toExponential(2)}`]),
  ].join('\n');
}

/** What transformers says about the weights of a model. */
const describeNames = (result: LogitComparison, dir: string): readonly string[] =>
  (
    [
      ['did not find', result.missing],
      ['did not use', result.unexpected],
      ['found another shape for', result.mismatched],
    ] as const
  )
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${dir}: transformers ${what} ${names.slice(0, 3).join(', ')} (${names.length})`);
