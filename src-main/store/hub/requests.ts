/**
 * @file Requests to the Hub. The token goes only to the Hub's own origin, in one header; redirects are
 * followed by hand; requests to a busy server are retried.
 */
import { createError } from '../../base/errors.ts';
import { describeNetworkError, toResponseError, type RequestContext } from './request-errors.ts';
import { isValidToken, type HubSettings, type HubToken } from './settings.ts';

/** When to retry and when to give up. Times are in milliseconds. */
export interface RetryOptions {
  /** Attempts of a request, and of a file as long as no new byte arrives. */
  readonly attempts: number;
  /** Delay before the second attempt. It doubles with each attempt. */
  readonly baseDelay: number;
  /** Time to wait for the headers of a response, and for the next bytes of its body. */
  readonly timeout: number;
  /** The longest Retry-After that is waited for. */
  readonly maxRetryAfter: number;
}

const defaultRetry: RetryOptions = {
  attempts: 6,
  baseDelay: 500,
  timeout: 30_000,
  maxRetryAfter: 120_000,
};

/** A request that reports how many bytes of its body, a Blob, have been sent. */
export interface UploadInit extends RequestInit {
  readonly onSent?: (bytes: number) => void;
}

/** Called for each response of the Hub's own origin; `isLast` is false for a redirect. */
export type OnHubResponse = (headers: Headers, isLast: boolean) => void;

export interface Hub {
  readonly settings: HubSettings;
  readonly token: HubToken | null;
  readonly retry: RetryOptions;
  /**
   * Sends a request. Returns a response with a success status, or 416. Refuses `hub/…`, and `cancelled` when
   * the signal of `init` aborts.
   */
  request(
    url: string,
    init?: UploadInit,
    context?: RequestContext,
    onHubResponse?: OnHubResponse,
  ): Promise<Response>;
  /** `request` with the interface of `fetch`, for the client library. */
  createFetch(context: RequestContext): typeof fetch;
}

const retriedStatuses: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const maxRedirects = 8;

export function createHub(
  settings: HubSettings,
  token: HubToken | null,
  options: Partial<RetryOptions> = {},
): Hub {
  const retry: RetryOptions = { ...defaultRetry, ...options };
  const request: Hub['request'] = async (url, init = {}, context = {}, onHubResponse) => {
    if (settings.offline) throw createError('hub/offline', { what: context.repo ?? 'this' });
    if (token && !isValidToken(token.text)) throw createError('hub/token-form', { from: token.from });
    const isIdempotent = init.method === undefined || ['GET', 'HEAD', 'PUT'].includes(init.method);
    for (let attempt = 1; ; attempt++) {
      let delay = getRetryDelay(retry, attempt);
      try {
        const response = await followRedirects(settings, token, retry.timeout, url, init, onHubResponse);
        if (response.ok || response.status === 416) return response;
        const { status } = response;
        const retryAfter = Number(response.headers.get('retry-after')) * 1000;
        // A server that answers 429 or 503 has not acted on the request, so even a POST can be repeated.
        const isSafe = isIdempotent || status === 429 || status === 503;
        const canRetry = retriedStatuses.has(status) && isSafe;
        if (!canRetry || attempt >= retry.attempts || retryAfter > retry.maxRetryAfter)
          throw await toResponseError(settings, token, response, context);
        await response.body?.cancel();
        if (retryAfter > 0) delay = retryAfter;
      } catch (thrown) {
        if (init.signal?.aborted) throw createError('cancelled', { what: 'the request to the Hub' });
        const why = describeNetworkError(thrown);
        if (why === undefined) throw thrown;
        if (!isIdempotent || attempt >= retry.attempts)
          throw createError('hub/unreachable', { endpoint: settings.endpoint, why });
      }
      await sleep(delay, init.signal);
    }
  };
  return {
    settings,
    token,
    retry,
    request,
    createFetch: (context) => (input, init) =>
      request(input instanceof Request ? input.url : String(input), init, context),
  };
}

/** Milliseconds to wait after a failed attempt, counted from 1. */
export const getRetryDelay = ({ baseDelay }: RetryOptions, attempt: number): number =>
  baseDelay * 2 ** (attempt - 1);

/**
 * Sends one request and follows its redirects. The token stays with the Hub's origin: redirects to a CDN have
 * signed addresses.
 */
async function followRedirects(
  { endpoint }: HubSettings,
  token: HubToken | null,
  timeout: number,
  url: string,
  init: UploadInit,
  onHubResponse?: OnHubResponse,
): Promise<Response> {
  const { origin } = new URL(endpoint);
  let target = new URL(url);
  for (let redirect = 0; redirect < maxRedirects; redirect++) {
    const isHub = target.origin === origin;
    const response = await sendOnce(target, init, isHub ? token : null, timeout);
    const isRedirect = response.status >= 300 && response.status < 400;
    const location = isRedirect ? response.headers.get('location') : null;
    if (isHub) onHubResponse?.(response.headers, location === null);
    if (location === null) return response;
    await response.body?.cancel();
    target = new URL(location, target);
    const isDowngrade = target.protocol === 'http:' && origin.startsWith('https:');
    if (!/^https?:$/.test(target.protocol) || isDowngrade)
      throw createError('hub/answer', { endpoint, why: 'it redirects to an insecure address' });
  }
  throw createError('hub/answer', { endpoint, why: 'it redirects too often' });
}

/** Sends one request without following redirects. The timeout applies to requests without a body. */
async function sendOnce(
  url: URL,
  { onSent, ...init }: UploadInit,
  token: HubToken | null,
  timeout: number,
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.delete('authorization');
  headers.set('user-agent', 'cambium');
  if (token) headers.set('authorization', `Bearer ${token.text}`);
  // The storage server needs the length of a body that is streamed.
  if (init.body instanceof Blob) headers.set('content-length', String(init.body.size));
  const stream =
    init.body instanceof Blob && onSent
      ? { body: countSentBytes(init.body, onSent), duplex: 'half' as const }
      : {};
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DOMException('no answer in time', 'TimeoutError'));
  }, timeout);
  const signals = [...(init.body ? [] : [controller.signal]), ...(init.signal ? [init.signal] : [])];
  const signal = signals.length > 0 ? AbortSignal.any(signals) : null;
  try {
    return await fetch(url, { ...init, ...stream, headers, redirect: 'manual', signal });
  } finally {
    clearTimeout(timer);
  }
}

/** The bytes of a Blob; reports how many have been read. */
function countSentBytes(blob: Blob, onSent: (bytes: number) => void): ReadableStream<Uint8Array> {
  let sent = 0;
  return blob.stream().pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sent += chunk.length;
        onSent(sent);
        controller.enqueue(chunk);
      },
    }),
  );
}

/** Waits for `ms` milliseconds. Refuses `cancelled` when `signal` aborts. */
export const sleep = (ms: number, signal?: AbortSignal | null): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(createError('cancelled', { what: 'the request to the Hub' }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
