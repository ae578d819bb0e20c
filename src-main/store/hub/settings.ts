/**
 * @file Where the Hub is, where its cache is, and whose token speaks: the same environment variables and
 * files as huggingface_hub.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { HubAccount } from '../../model/hub.ts';

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The folder of `models--owner--name`. */
  readonly cache: string;
  readonly offline: boolean;
  readonly tokenFile: string;
}

/** A token and where it was found. Its text goes into one header and nowhere else. */
export interface Token {
  readonly text: string;
  readonly from: Exclude<HubAccount['from'], null>;
}

const isTrue = (word: string | undefined): boolean => /^(1|true|yes|on)$/i.test(word ?? '');

/**
 * HF_ENDPOINT, HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE, or HF_HOME, or XDG_CACHE_HOME), HF_HUB_OFFLINE,
 * HF_TOKEN_PATH.
 */
export function hubSettings(environment: NodeJS.ProcessEnv = process.env, user = homedir()): HubSettings {
  const home =
    environment['HF_HOME'] || join(environment['XDG_CACHE_HOME'] || join(user, '.cache'), 'huggingface');
  const endpoint = (environment['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '');
  const address = URL.parse(endpoint);
  if (!address || !/^https?:$/.test(address.protocol) || address.username || address.password)
    refuse('hub/unreachable', {
      endpoint: 'the address in HF_ENDPOINT',
      why: 'it is not a plain http or https address',
    });
  return {
    endpoint,
    cache: resolve(
      expanded(
        environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub'),
        user,
      ),
    ),
    offline: isTrue(environment['HF_HUB_OFFLINE']) || isTrue(environment['TRANSFORMERS_OFFLINE']),
    tokenFile: resolve(expanded(environment['HF_TOKEN_PATH'] || join(home, 'token'), user)),
  };
}

const expanded = (path: string, user: string): string =>
  /^~(?=$|[\\/])/.test(path) ? join(user, path.slice(1)) : path;

/** The token to use: HF_TOKEN, then `kept` (set in Cambium), then the file that `hf auth login` writes. */
export async function findToken(
  settings: HubSettings,
  kept: Token | null,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Token | null> {
  const given = (environment['HF_TOKEN'] ?? environment['HUGGING_FACE_HUB_TOKEN'] ?? '').trim();
  if (given !== '') return { text: given, from: 'HF_TOKEN' };
  if (kept) return kept;
  const filed = (await readFile(settings.tokenFile, 'utf8').catch(() => '')).trim();
  return filed === '' ? null : { text: filed, from: 'the token file' };
}

/** A header takes one line of printable characters: no token is masked, or in two lines. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/**
 * `owner/name`, or `owner/name@revision`, taken apart; anything else is refused, because it becomes a path
 * and a URL.
 */
export function readRepo(given: string): { readonly repo: string; readonly revision: string | undefined } {
  const [repo = '', ...rest] = given
    .trim()
    .replace(/^https?:\/\/[^/]+\//, '')
    .replace(/\/+$/, '')
    .split('@');
  const revision = rest.length > 0 ? rest.join('@') : undefined;
  const part = /^(?!.*(?:--|\.\.))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;
  const parts = repo.split('/');
  if (
    parts.length > 2 ||
    parts.some((one) => !part.test(one) || /[.-]$/.test(one) || one.endsWith('.git')) ||
    (revision !== undefined && !/^(?!.*\.\.)[\w][\w./-]{0,199}$/.test(revision))
  )
    return refuse('hub/bad-name', { given });
  return { repo, revision };
}
