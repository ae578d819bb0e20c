/**
 * @file Every request to the Hub: the token in one header and to the Hub's own origin alone, redirects by
 * hand, patience with a busy server, and failures as sentences.
 */
import { appError, type AppError } from '../../base/errors.ts';
import { isToken, type HubSettings, type Token } from './settings.ts';

/** How long things are waited for, in milliseconds. */
export interface Patience {
  /** Tries of one request, and tries of a file without a new byte. */
  readonly attempts: number;
  /** Before the second try; doubled each time. */
  readonly pause: number;
  /** For the answer's headers, and for the next bytes of its body. */
  readonly silence: number;
  /** The longest Retry-After that is obeyed; a longer one is told to the person. */
  readonly longest: number;
}
const usual: Patience = { attempts: 6, pause: 500, silence: 30_000, longest: 120_000 };

/** What a request is about, for the words of its failure. */
export interface About {
  readonly repo?: string;
  readonly revision?: string;
  readonly file?: string;
  readonly writing?: boolean;
}

/** A request that sends a Blob and tells how much of it has gone. */
export interface Sending extends RequestInit {
  readonly onSent?: (bytes: number) => void;
}

export interface Hub {
  readonly settings: HubSettings;
  readonly token: Token | null;
  readonly patience: Patience;
  /**
   * An answer that is no failure; `onOwn` sees the headers of each answer of the Hub's own origin on the way,
   * and whether it is the last.
   */
  ask(
    address: string,
    init?: Sending,
    about?: About,
    onOwn?: (headers: Headers, last: boolean) => void,
  ): Promise<Response>;
  /** `ask` in the shape of `fetch`, for the client library. */
  fetchFor(about: About): typeof fetch;
}

const busy: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const mostHops = 8;

export function createHub(settings: HubSettings, token: Token | null, patience: Partial<Patience> = {}): Hub {
  const own: Patience = { ...usual, ...patience };
  const origin = new URL(settings.endpoint).origin;

  /**
   * One try, through its redirects. The token never leaves the Hub's origin: a CDN has signed addresses of
   * its own.
   */
  const once = async (
    address: string,
    { onSent, ...init }: Sending,
    onOwn?: (headers: Headers, last: boolean) => void,
  ): Promise<Response> => {
    let at = new URL(address);
    for (let hop = 0; hop < mostHops; hop++) {
      const headers = new Headers(init.headers);
      headers.delete('authorization');
      headers.set('user-agent', 'cambium');
      if (token && at.origin === origin) headers.set('authorization', `Bearer ${token.text}`);
      const quiet = new AbortController();
      const timer = setTimeout(() => {
        quiet.abort(new DOMException('no answer in time', 'TimeoutError'));
      }, own.silence);
      try {
        const body =
          init.body instanceof Blob && onSent
            ? { body: counted(init.body, onSent), duplex: 'half' as const }
            : {};
        // storage takes no stream of unknown length
        if (init.body instanceof Blob) headers.set('content-length', String(init.body.size));
        const response = await fetch(at, {
          ...init,
          ...body,
          headers,
          redirect: 'manual',
          signal: init.body
            ? (init.signal ?? null)
            : AbortSignal.any([quiet.signal, ...(init.signal ? [init.signal] : [])]),
        });
        const to = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
        if (at.origin === origin) onOwn?.(response.headers, to === null);
        if (to === null) return response;
        await response.body?.cancel();
        at = new URL(to, at);
        if (!/^https?:$/.test(at.protocol) || (at.protocol === 'http:' && origin.startsWith('https:')))
          throw appError('hub/answer', {
            endpoint: settings.endpoint,
            why: 'it points to an address that is not safe',
          });
      } finally {
        clearTimeout(timer);
      }
    }
    throw appError('hub/answer', { endpoint: settings.endpoint, why: 'it points around in a circle' });
  };

  const ask: Hub['ask'] = async (address, init = {}, about = {}, onOwn) => {
    if (settings.offline) throw appError('hub/offline', { what: about.repo ?? 'this' });
    if (token && !isToken(token.text)) throw appError('hub/token-form', { from: token.from });
    const again = init.method === undefined || ['GET', 'HEAD', 'PUT'].includes(init.method);
    for (let tries = 1; ; tries++) {
      let wait = own.pause * 2 ** (tries - 1);
      try {
        const response = await once(address, init, onOwn);
        if (response.ok || response.status === 416) return response;
        const asked = Number(response.headers.get('retry-after')) * 1000;
        // A 429 or a 503 was not acted upon, so that even a POST may be sent again.
        const may =
          busy.has(response.status) && (again || response.status === 429 || response.status === 503);
        if (!may || tries >= own.attempts || asked > own.longest)
          throw await failureOf(settings, token, response, about);
        await response.body?.cancel();
        if (asked > 0) wait = asked;
      } catch (thrown) {
        if (init.signal?.aborted) throw appError('cancelled', { what: 'the request to the Hub' });
        const why = networkWords(thrown);
        if (why === undefined) throw thrown;
        if (!again || tries >= own.attempts)
          throw appError('hub/unreachable', { endpoint: settings.endpoint, why });
      }
      await sleep(wait, init.signal);
    }
  };
  return {
    settings,
    token,
    patience: own,
    ask,
    fetchFor: (about) => (input, init) =>
      ask(input instanceof Request ? input.url : String(input), init, about),
  };
}

/** The bytes of a Blob, counted as they go. */
function counted(blob: Blob, onSent: (bytes: number) => void): ReadableStream<Uint8Array> {
  let sent = 0;
  return blob.stream().pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, out) {
        sent += chunk.length;
        onSent(sent);
        out.enqueue(chunk);
      },
    }),
  );
}

/** Waits; an abort ends it with `cancelled`. */
export const sleep = (ms: number, signal?: AbortSignal | null): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(appError('cancelled', { what: 'the request to the Hub' }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });

const causes: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up',
  ECONNREFUSED: 'nothing answers there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'it does not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer in time',
  UND_ERR_BODY_TIMEOUT: 'it stopped sending',
  ENETUNREACH: 'there is no network',
  EHOSTUNREACH: 'there is no way to it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

/** A failed connection in words, without its address; undefined when `thrown` is something else. */
export function networkWords(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (thrown.name === 'TimeoutError' || thrown.name === 'AbortError') return 'it does not answer in time';
  const code = (thrown.cause as { code?: unknown } | undefined)?.code ?? (thrown as { code?: unknown }).code;
  if (typeof code === 'string' && (code in causes || /^(UND_|HPE_)/.test(code)))
    return causes[code] ?? 'the connection was cut';
  return thrown instanceof TypeError && /fetch failed|terminated|network/i.test(thrown.message)
    ? 'the connection failed'
    : undefined;
}

/**
 * What a refusing answer means to a person. Neither its address (which may be signed) nor the token gets into
 * the words.
 */
async function failureOf(
  { endpoint }: HubSettings,
  token: Token | null,
  response: Response,
  { repo = 'the model', revision = 'main', file = '', writing = false }: About,
): Promise<AppError> {
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  const body = (await response.text().catch(() => '')).slice(0, 4000);
  const said = headers.get('x-error-message') ?? messageIn(body);
  const page = `${endpoint}/${repo}`;
  if (status === 429)
    return appError('hub/too-many', {
      endpoint,
      seconds: Math.ceil(Number(headers.get('retry-after')) || 60),
    });
  if (status >= 500) return appError('hub/down', { endpoint, status });
  if (code === 'GatedRepo') return appError('hub/gated', { repo, url: page, token: token !== null });
  if (code === 'RevisionNotFound') return appError('hub/no-revision', { repo, revision });
  if (code === 'EntryNotFound') return appError('hub/no-file', { repo, file });
  if (status === 401 && token && /invalid|expired|credential|token/i.test(said) && code !== 'RepoNotFound')
    return appError('hub/bad-token', { from: token.from });
  if (writing && (status === 401 || status === 403))
    return token
      ? appError('hub/no-write', { repo })
      : appError('hub/no-token', { what: `pushing to ${repo}` });
  if (code === 'RepoNotFound' || status === 401 || status === 404)
    return appError('hub/no-repo', { repo, endpoint });
  if (status === 403) return appError('hub/gated', { repo, url: page, token: token !== null });
  const why = token ? said.replaceAll(token.text, '…') : said;
  return appError('hub/refused', {
    endpoint,
    status,
    why:
      why
        .replace(/\s+/g, ' ')
        .replace(/[.\s]+$/, '')
        .slice(0, 300) || 'it gives no reason',
  });
}

function messageIn(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: unknown; message?: unknown };
    return typeof error === 'string' ? error : typeof message === 'string' ? message : '';
  } catch {
    return body.startsWith('<') ? '' : body;
  }
}
