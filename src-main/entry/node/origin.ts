/** @file Whether a request names this computer, and whether it comes from a page of this server. */

interface Request {
  readonly headers: { readonly host?: string | undefined; readonly origin?: string | undefined };
}

const loopback = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/**
 * True if the request names a loopback host. Another page can make a browser connect to this server under its own
 * name (DNS rebinding).
 */
export const isLoopback = ({ headers }: Request): boolean => loopback.test(headers.host ?? '');

/** True for a request of this server's own page, and of a program, which sends no origin. */
export const isOwnOrigin = ({ headers: { host, origin } }: Request): boolean =>
  origin === undefined || origin === `http://${host ?? ''}`;
