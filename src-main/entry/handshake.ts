/**
 * @file How a process proves to a server that it knows the server's token, and the server that it does too, without
 * either of them sending it: the port of a server that has ended may belong to another user's program. The client
 * asks for a challenge, and opens a WebSocket with its proof as a subprotocol; the response has the server's proof.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { get, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { parseJsonIfValid } from '../base/json.ts';

const nonceBytes = 16;
/** The subprotocol of a proof is `cambium-proof.<client nonce>.<challenge>.<proof>`. */
export const proofPrefix = 'cambium-proof.';
/** The header with the proof of the server, in lower case. */
export const proofHeader = 'cambium-proof';

/** What the two sides prove. Each text is signed for one purpose, so that no proof can serve as another. */
type Purpose = 'challenge' | 'client' | 'server';

export interface Nonces {
  readonly client: string;
  /** The challenge of the server. */
  readonly server: string;
}

export const createNonce = (): string => randomBytes(nonceBytes).toString('hex');

/** Proves that the prover knows the token, for one purpose and one pair of nonces. Hexadecimal. */
export const prove = (token: string, purpose: Purpose, { client, server }: Nonces): string =>
  createHmac('sha256', token).update([purpose, client, server].join('\n')).digest('hex');

/** Compares in constant time. */
export function isSameText(a: string, b: string): boolean {
  const key = randomBytes(32);
  const hash = (text: string): Buffer => createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

export const isValidProof = (proof: string, token: string, purpose: Purpose, nonces: Nonces): boolean =>
  isSameText(proof, prove(token, purpose, nonces));

/** A server on a loopback port, or behind the Unix socket of a tunnel to one. */
export interface ServerPlace {
  readonly port: number;
  readonly socketPath?: string;
}

/** The answer to a request for a challenge: it proves at once that the server knows the token. */
const challengeAnswer = z.object({
  challenge: z.string().regex(/^[0-9a-f.]{1,200}$/),
  proof: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Bytes of the largest answer to a request for a challenge. */
const maxAnswerBytes = 1000;

const toRequest = ({ port, socketPath }: ServerPlace, path: string): ClientRequestArgs => ({
  ...(socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath }),
  path,
  headers: { host: `127.0.0.1:${port}` },
  agent: false,
});

/** Sends a GET request; returns its body. Rejects if it is longer than `maxAnswerBytes`. */
function fetchText(place: ServerPlace, path: string, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ ...toRequest(place, path), signal: AbortSignal.timeout(timeout) });
    request.on('error', reject);
    request.on('response', (response: IncomingMessage) => {
      let body = '';
      response.on('error', reject);
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (body.length > maxAnswerBytes) request.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => {
        resolve(body);
      });
    });
  });
}

const notTheServer = (): Error => new Error('the program that answers is not the server of this token');

export interface SocketOptions {
  /** Milliseconds for each of the two requests. */
  readonly timeout: number;
  readonly path?: string;
  /** Bytes of the largest message of the server. */
  readonly maxPayload?: number;
}

/**
 * Opens a WebSocket to the server of `token`. Rejects if nothing answers in time, or if what answers does not
 * know the token, which it does not learn either.
 */
export async function openProvenSocket(
  place: ServerPlace,
  token: string,
  { timeout, path = '/rpc', maxPayload = 64 << 20 }: SocketOptions,
): Promise<WebSocket> {
  const client = createNonce();
  const text = await fetchText(place, `/challenge?nonce=${client}`, timeout);
  const answer = parseJsonIfValid(text, challengeAnswer);
  if (!answer) throw notTheServer();
  const nonces = { client, server: answer.challenge };
  if (!isValidProof(answer.proof, token, 'challenge', nonces)) throw notTheServer();
  const protocol = proofPrefix + [client, nonces.server, prove(token, 'client', nonces)].join('.');
  const address =
    place.socketPath === undefined
      ? `ws://127.0.0.1:${place.port}${path}`
      : `ws+unix://${place.socketPath}:${path}`;
  const socket = new WebSocket(address, ['cambium', protocol], {
    handshakeTimeout: timeout,
    headers: { host: `127.0.0.1:${place.port}` },
    maxPayload,
    perMessageDeflate: false,
  });
  socket.on('error', () => undefined);
  let isProven = false;
  socket.once('upgrade', ({ headers }) => {
    isProven = isValidProof(String(headers[proofHeader] ?? ''), token, 'server', nonces);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  if (isProven) return socket;
  socket.terminate();
  throw notTheServer();
}
