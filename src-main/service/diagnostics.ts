/**
 * @file The diagnostics text for a bug report: versions, devices, checks, errors, settings and last lines of a
 * run. Secrets, training text and the name of the person are removed.
 */
import { cpus, homedir, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { describeError } from '../base/errors.ts';
import { formatBytes } from '../base/format.ts';
import type { Check, Device, JobSummary, RunSummary } from '../contract/schema.ts';
import { readTail } from '../store/data/text-tail.ts';
import type { Environment } from './dependencies.ts';

/** Bytes of the log and of the events of a run that are included. */
const logBytes = 16_000;
const eventBytes = 8000;

export interface DiagnosticsSources {
  readonly environment: Environment;
  readonly devices: readonly Device[];
  readonly checks: readonly Check[];
  readonly jobs: readonly JobSummary[];
  readonly run?: RunSummary | undefined;
}

/** The diagnostics as plain text. */
export async function formatDiagnostics({
  environment,
  devices,
  checks,
  jobs,
  run,
}: DiagnosticsSources): Promise<string> {
  const { version, desktop } = environment;
  const platform = `${process.platform}-${process.arch}`;
  const sections = [
    `# Cambium ${version}, ${desktop ? 'desktop' : 'server'}, ${platform}, Node ${process.versions.node}`,
    formatSection('Computer', [
      `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
      `${formatBytes(totalmem())} of memory`,
    ]),
    formatSection(
      'Devices',
      devices.map((d) => `${d.id}: ${d.available ? d.name : `not available: ${d.why ?? ''}`}`),
    ),
    formatSection(
      'Checks',
      checks.map((c) => `${c.ok ? 'ok ' : 'no '} ${c.what}: ${c.found}`),
    ),
    formatSection(
      'Failed jobs',
      jobs.flatMap(({ kind, error }) => (error ? `${kind}: ${error.code}: ${describeError(error)[0]}` : [])),
    ),
    ...(run ? await formatRun(run) : []),
    '',
  ];
  return redactSecrets(sections.join('\n\n'));
}

const formatSection = (title: string, lines: readonly string[]): string =>
  `## ${title}\n${lines.length > 0 ? lines.join('\n') : 'none'}`;

async function formatRun(run: RunSummary): Promise<readonly string[]> {
  const events = await readTail(join(run.dir, 'events.jsonl'), eventBytes);
  const log = await readTail(join(run.dir, 'log.txt'), logBytes);
  const error = run.error ? [`${run.error.code}: ${describeError(run.error)[0]}`] : [];
  return [
    formatSection(`Run: ${run.state} at step ${run.step} of ${run.steps}`, [formatSettings(run), ...error]),
    formatSection('Last events', [removeSamples(events)]),
    formatSection('Log', [log]),
  ];
}

/** The settings without the prompt, which the person wrote. */
const formatSettings = ({ settings: { prompt: _, ...others } }: RunSummary): string => JSON.stringify(others);

/** Samples may repeat the training text. Runs of version 1 call the type of an event `at`. */
const sampleEvent = /"(type|at)":"sample"/;
const removeSamples = (lines: string): string =>
  lines
    .split('\n')
    .filter((line) => !sampleEvent.test(line))
    .join('\n');

/** Empty if the system has no entry for the user, as in many containers. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/**
 * Removes Hub tokens, session keys, values of names such as `password`, credentials in addresses, the home folder
 * and the name of the user.
 */
export function redactSecrets(
  text: string,
  { home = homedir(), user = userName() }: { readonly home?: string; readonly user?: string } = {},
): string {
  const redacted = text
    .replace(/\bhf_[A-Za-z0-9]{8,}/g, 'hf_…')
    .replace(/\b[0-9a-f]{64}\b/gi, '…')
    .replace(
      /((?:token|password|passwd|secret|api[_-]?key|authorization|bearer)["']?\s*[:= ]\s*["']?)[^\s"',}]+/gi,
      '$1…',
    )
    .replace(/\/\/[^/@\s]+@/g, '//…@')
    .replaceAll(home, '~');
  // Very short names, and root, are part of too many words.
  if (user.length <= 2 || user === 'root') return redacted;
  return redacted.replace(new RegExp(`\\b${user.replace(/[^\w]/g, '\\$&')}\\b`, 'g'), '…');
}
