/**
 * @file The diagnostics text for a bug report: versions, devices, checks, errors, settings and last lines of a
 * run. Secrets, training text and the name of the person are removed.
 */
import { cpus, homedir, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { isObject, jsonObject, parseJsonIfValid } from '../base/json.ts';
import { describeError } from '../base/errors.ts';
import { formatBytes } from '../base/format.ts';
import type { Check, Device, JobSummary, RunSummary } from '../contract/schema.ts';
import { readTail } from '../store/data/text-tail.ts';
import { settingTable } from '../train/settings.ts';
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
    formatSection('Last events', [formatEvents(events)]),
    formatSection('Log', [log]),
  ];
}

interface Row {
  readonly kind: string;
  readonly labels?: Readonly<Record<string, string>>;
}
const rows: Readonly<Record<string, Row>> = settingTable;

/** The settings that are numbers, choices or switches: texts, such as the prompt, are the person's. */
function formatSettings({ settings }: RunSummary): string {
  const isShown = ([name, value]: readonly [string, unknown]): boolean =>
    Object.hasOwn(rows, name) &&
    (typeof value !== 'string' || Object.hasOwn(rows[name]!.labels ?? {}, value));
  return JSON.stringify(Object.fromEntries(Object.entries(settings).filter(isShown)));
}

/** The fields of events that are shown. Texts, paths, names and messages of errors are not among them. */
const eventFields = [
  ...[
    'type',
    'step',
    'steps',
    'loss',
    'lr',
    'gradNorm',
    'tokens',
    'seconds',
    'bytes',
    'device',
    'reason',
    'time',
  ],
  ...['parameters', 'trainTokens', 'heldOutTokens', 'joules', 'updates', 'code'],
];

/** One event with its shown fields; undefined for a line that is none. Version 1 calls the type of an event `at`. */
function formatEvent(line: string): string | undefined {
  const event = parseJsonIfValid(line, jsonObject);
  if (!event) return undefined;
  const { at, error, ...others } = event;
  const all: Readonly<Record<string, unknown>> = {
    type: at,
    ...others,
    code: isObject(error) ? error['code'] : undefined,
  };
  const shown = eventFields.map((field) => [field, Object.hasOwn(all, field) ? all[field] : undefined]);
  return JSON.stringify(Object.fromEntries(shown));
}

const formatEvents = (lines: string): string =>
  lines
    .split('\n')
    .flatMap((line) => formatEvent(line) ?? [])
    .join('\n');

/** Empty if the system has no entry for the user, as in many containers. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

const secretNames = '(?:token|passwd|password|secret|credential|cookie|api[_-]?key|authorization)';

/** What secrets look like, and what is left of them. The log and messages of errors are free text. */
const secrets: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, '…'],
  // Tokens with the prefix of their service: Hugging Face, GitHub, GitLab, Slack, npm, PyPI, OpenAI, W&B, Google, AWS.
  [/\b(?:hf|gh[opusr]|github_pat|glpat|xox[abeprs]|npm|pypi|sk|wandb_v1)[-_][\w-]{8,}/g, '…'],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{20,}/g, '…'],
  // JSON Web Tokens, and session keys.
  [/\beyJ[\w-]{8,}(?:\.[\w-]+){0,2}/g, '…'],
  [/\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b/gi, '…'],
  [/\b(Bearer|Basic|token)\s+[\w.~+/=-]{8,}/gi, '$1 …'],
  [new RegExp(`(${secretNames}["']?(?:\\s*[:=]\\s*|\\s+)["']?)[^\\s"',}]+`, 'gi'), '$1…'],
  [/\b([A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|KEY)[A-Z0-9_]*=)\S+/g, '$1…'],
  // The query of an address may be signed, and its user may have a password.
  [/(\bhttps?:\/\/[^\s?#"']{1,2000})[?#][^\s"']*/g, '$1?…'],
  [/\/\/[^/@\s]{1,500}@/g, '//…@'],
  [/\b[\w.+-]{1,100}@[\w.-]{1,255}/g, '…@…'],
];

/**
 * Removes tokens and keys of known forms, session keys, values of names such as `password`, credentials and signatures
 * in addresses, `user@host`, the home folder and the name of the user.
 */
export function redactSecrets(
  text: string,
  { home = homedir(), user = userName() }: { readonly home?: string; readonly user?: string } = {},
): string {
  let redacted = text;
  for (const [pattern, replacement] of secrets) redacted = redacted.replace(pattern, replacement);
  redacted = redacted.replaceAll(home, '~');
  // Very short names, and root, are part of too many words.
  if (user.length <= 2 || user === 'root') return redacted;
  return redacted.replace(new RegExp(`\\b${user.replace(/[^\w]/g, '\\$&')}\\b`, 'g'), '…');
}
