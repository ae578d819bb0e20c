/**
 * @file What to send along with a report of trouble: versions, devices, checks, errors, a run's settings and
 * last lines. It holds no secret, no text and no name of the person.
 */
import { cpus, homedir, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { wordsOf } from '../base/errors.ts';
import { showBytes } from '../base/units.ts';
import type { Check, Device, JobCard, RunCard } from '../contract/schema.ts';
import { readEnd } from '../store/data/text-end.ts';
import type { Place } from './dependencies.ts';

/** Bytes of a run's log and of its events that go along. */
const logBytes = 16_000;
const eventBytes = 8000;

export interface DiagnosticsSources {
  readonly place: Place;
  readonly devices: readonly Device[];
  readonly checks: readonly Check[];
  readonly jobs: readonly JobCard[];
  readonly run?: RunCard | undefined;
}

/** As plain text. */
export async function diagnosticsText({
  place,
  devices,
  checks,
  jobs,
  run,
}: DiagnosticsSources): Promise<string> {
  const { version, desktop } = place.surroundings;
  const section = (title: string, lines: readonly string[]): string =>
    `## ${title}\n${lines.length > 0 ? lines.join('\n') : 'none'}`;
  const failed = jobs
    .filter((job) => job.error)
    .map((job) => `${job.kind}: ${job.error!.code}: ${wordsOf(job.error!)[0]}`);
  return withoutSecrets(
    [
      `# Cambium ${version}, ${desktop ? 'desktop' : 'server'}, ${process.platform}-${process.arch}, Node ${process.versions.node}`,
      section('Computer', [
        `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
        `${showBytes(totalmem())} of memory`,
      ]),
      section(
        'Devices',
        devices.map((d) => `${d.id}: ${d.available ? d.name : `not available: ${d.why ?? ''}`}`),
      ),
      section(
        'Checks',
        checks.map((c) => `${c.ok ? 'ok ' : 'no '} ${c.what}: ${c.found}`),
      ),
      section('Failed jobs', failed),
      ...(run
        ? [
            section(`Run: ${run.state} at step ${run.step} of ${run.steps}`, [
              settingsText(run),
              ...(run.error ? [`${run.error.code}: ${wordsOf(run.error)[0]}`] : []),
            ]),
            section('Last events', [
              withoutSamples(await readEnd(join(run.dir, 'events.jsonl'), eventBytes)),
            ]),
            section('Log', [await readEnd(join(run.dir, 'log.txt'), logBytes)]),
          ]
        : []),
      '',
    ].join('\n\n'),
  );
}

/** Without the prompt, which is the person's text. */
const settingsText = ({ settings: { prompt: _, ...plain } }: RunCard): string => JSON.stringify(plain);

/** What a model wrote may hold the person's text. */
const withoutSamples = (lines: string): string =>
  lines
    .split('\n')
    .filter((line) => !line.includes('"at":"sample"'))
    .join('\n');

/** Empty where the system has no entry for who runs this, as in many containers. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/**
 * Tokens of the Hub, keys of sessions, anything that is called a secret, and the person's own folder and
 * name.
 */
export function withoutSecrets(
  text: string,
  { home = homedir(), user = userName() }: { readonly home?: string; readonly user?: string } = {},
): string {
  const plain = text
    .replace(/\bhf_[A-Za-z0-9]{8,}/g, 'hf_…')
    .replace(/\b[0-9a-f]{64}\b/gi, '…')
    .replace(
      /((?:token|password|passwd|secret|api[_-]?key|authorization|bearer)["']?\s*[:= ]\s*["']?)[^\s"',}]+/gi,
      '$1…',
    )
    .replace(/\/\/[^/@\s]+@/g, '//…@')
    .replaceAll(home, '~');
  // A name of one or two letters, or root, stands in too many words.
  return user.length > 2 && user !== 'root'
    ? plain.replace(new RegExp(`\\b${user.replace(/[^\w]/g, '\\$&')}\\b`, 'g'), '…')
    : plain;
}
