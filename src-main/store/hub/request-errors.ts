/** @file Converts failed requests to the Hub to `AppError`. No message contains an address or a token. */
import { z } from 'zod';
import { parseJsonIfValid } from '../../base/json.ts';
import { createError, type AppError } from '../../base/errors.ts';
import type { HubSettings, HubToken } from './settings.ts';

/** What a request is about; its errors name it. */
export interface RequestContext {
  readonly repo?: string;
  readonly revision?: string;
  readonly file?: string;
  readonly isWrite?: boolean;
}

/** By the error codes of Node and undici. */
const networkErrors: Readonly<Record<string, string>> = {
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'the DNS lookup failed',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'the request timed out',
  UND_ERR_BODY_TIMEOUT: 'the response timed out',
  ENETUNREACH: 'there is no network',
  EHOSTUNREACH: 'there is no route to the host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

/** Describes a network error; undefined when `thrown` is another error. */
export function describeNetworkError(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (thrown.name === 'TimeoutError' || thrown.name === 'AbortError') return 'the request timed out';
  const cause = thrown.cause as { code?: unknown } | undefined;
  const code = cause?.code ?? (thrown as { code?: unknown }).code;
  if (typeof code === 'string' && (code in networkErrors || /^(UND_|HPE_)/.test(code)))
    return networkErrors[code] ?? 'the connection was closed';
  const isFetchError = thrown instanceof TypeError && /fetch failed|terminated|network/i.test(thrown.message);
  return isFetchError ? 'the connection failed' : undefined;
}

/** Longest error body that is read, and longest message of it that is shown. */
const maxBodyLength = 4000;
const maxMessageLength = 300;

/** The error of a response with a failure status. */
export async function toResponseError(
  { endpoint }: HubSettings,
  token: HubToken | null,
  response: Response,
  context: RequestContext,
): Promise<AppError> {
  const { repo = 'the model', revision = 'main', file = '', isWrite = false } = context;
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  const body = (await response.text().catch(() => '')).slice(0, maxBodyLength);
  const message = headers.get('x-error-message') ?? findMessage(body);
  const gated = (): AppError =>
    createError('hub/gated', { repo, url: `${endpoint}/${repo}`, token: token !== null });
  if (status === 429) {
    const seconds = Math.ceil(Number(headers.get('retry-after')) || 60);
    return createError('hub/too-many', { endpoint, seconds });
  }
  if (status >= 500) return createError('hub/down', { endpoint, status });
  if (code === 'GatedRepo') return gated();
  if (code === 'RevisionNotFound') return createError('hub/no-revision', { repo, revision });
  if (code === 'EntryNotFound') return createError('hub/no-file', { repo, file });
  const blamesToken = /invalid|expired|credential|token/i.test(message) && code !== 'RepoNotFound';
  if (status === 401 && token && blamesToken) return createError('hub/bad-token', { from: token.from });
  if (isWrite && (status === 401 || status === 403))
    return token
      ? createError('hub/no-write', { repo })
      : createError('hub/no-token', { what: `pushing to ${repo}` });
  if (code === 'RepoNotFound' || status === 401 || status === 404)
    return createError('hub/no-repo', { repo, endpoint });
  if (status === 403) return gated();
  const why = shorten(token ? message.replaceAll(token.text, '…') : message);
  return createError('hub/refused', { endpoint, status, why: why || 'it gives no reason' });
}

/** One line without a final period, of limited length. */
const shorten = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .slice(0, maxMessageLength)
    .replace(/(?<![.\s])[.\s]+$/, '');

const errorBody = z.object({ error: z.string().catch(''), message: z.string().catch('') });

/** The message in a JSON body, or the body itself. Empty for an HTML page. */
function findMessage(body: string): string {
  const found = parseJsonIfValid(body, errorBody);
  if (found) return found.error || found.message;
  return body.startsWith('<') ? '' : body;
}
