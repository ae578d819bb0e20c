/**
 * @file Settings of the Hub: its address, the cache, and the token, from the environment variables and files
 * that huggingface_hub uses.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { HubAccount } from '../../model/hub.ts';
import { readRegularFile } from '../fs/files.ts';

export interface HubSettings {
  /** The address of the Hub, without a final slash. */
  readonly endpoint: string;
  /** The folder of `models--owner--name`. */
  readonly cache: string;
  readonly offline: boolean;
  readonly tokenFile: string;
}

/** A token and where it comes from. The text is sent in one header and written nowhere. */
export interface HubToken {
  readonly text: string;
  readonly from: Exclude<HubAccount['from'], null>;
}

const maxTokenBytes = 10_000;

const isTrue = (value: string | undefined): boolean => /^(1|true|yes|on)$/i.test(value ?? '');

/**
 * Reads HF_ENDPOINT, HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME), HF_HUB_OFFLINE,
 * TRANSFORMERS_OFFLINE and HF_TOKEN_PATH. Refuses an HF_ENDPOINT that is not a plain address.
 */
export function readHubSettings(environment: NodeJS.ProcessEnv = process.env, user = homedir()): HubSettings {
  const cacheHome = environment['XDG_CACHE_HOME'] || join(user, '.cache');
  const home = environment['HF_HOME'] || join(cacheHome, 'huggingface');
  const endpoint = (environment['HF_ENDPOINT'] || 'https://huggingface.co').replace(/(?<!\/)\/+$/, '');
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
    refuse('hub/unreachable', {
      endpoint: 'the address in HF_ENDPOINT',
      why: 'it is not a plain http or https address',
    });
  const cache = environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub');
  return {
    endpoint,
    cache: resolve(expandHome(cache, user)),
    offline: isTrue(environment['HF_HUB_OFFLINE']) || isTrue(environment['TRANSFORMERS_OFFLINE']),
    tokenFile: resolve(expandHome(environment['HF_TOKEN_PATH'] || join(home, 'token'), user)),
  };
}

const expandHome = (path: string, user: string): string =>
  /^~(?=$|[\\/])/.test(path) ? join(user, path.slice(1)) : path;

/** The token to use: HF_TOKEN, else `saved` (set in Cambium), else the token file of `hf auth login`. */
export async function findToken(
  settings: HubSettings,
  saved: HubToken | null,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<HubToken | null> {
  const fromEnvironment = (environment['HF_TOKEN'] ?? environment['HUGGING_FACE_HUB_TOKEN'] ?? '').trim();
  if (fromEnvironment !== '') return { text: fromEnvironment, from: 'HF_TOKEN' };
  if (saved) return saved;
  const stored = await readRegularFile(settings.tokenFile, maxTokenBytes).catch(() => Buffer.alloc(0));
  const fromFile = stored.toString('utf8').trim();
  return fromFile === '' ? null : { text: fromFile, from: 'the token file' };
}

/** True for one line of printable ASCII: a header takes nothing else, and a masked token is something else. */
export const isValidToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** The rules of huggingface_hub's `validate_repo_id`, with fewer first characters. */
const isValidRepoPart = (part: string): boolean =>
  /^(?!.*(?:--|\.\.))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/.test(part) &&
  !/[.-]$/.test(part) &&
  !part.endsWith('.git');

/** True for `name` and `owner/name` that are safe as paths and URLs. */
export function isValidRepo(repo: string): boolean {
  const parts = repo.split('/');
  return parts.length <= 2 && parts.every(isValidRepoPart);
}

/** True for the name of a branch, a tag or a commit that is safe as a path and URL. */
export const isValidRevision = (revision: string): boolean => /^(?!.*\.\.)\w[\w./-]{0,199}$/.test(revision);

/**
 * Parses `owner/name`, `owner/name@revision`, or the URL of a repository. Refuses `hub/bad-name`: the parts
 * become paths and URLs.
 */
export function parseRepo(given: string): { readonly repo: string; readonly revision: string | undefined } {
  const [repo = '', ...rest] = given
    .trim()
    .replace(/^https?:\/\/[^/]+\//, '')
    .replace(/(?<!\/)\/+$/, '')
    .split('@');
  const revision = rest.length > 0 ? rest.join('@') : undefined;
  if (!isValidRepo(repo) || (revision !== undefined && !isValidRevision(revision)))
    return refuse('hub/bad-name', { given });
  return { repo, revision };
}
