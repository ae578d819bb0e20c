/**
 * @file Who may connect to the local server: whoever has its token, proves to know it (entry/handshake.ts), or has a
 * code that is valid once and for a minute. The token can be replaced while the server runs.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createNonce, isSameText, isValidProof, proofPrefix, prove, type Nonces } from '../handshake.ts';

export interface Access {
  readonly token: string;
  /** The challenge for a client's nonce, with the proof that this server knows the token. */
  challenge(clientNonce: string): { readonly challenge: string; readonly proof: string };
  /**
   * Checks the subprotocols of a WebSocket. `proof` is the server's, for a client that gave one; undefined if none of
   * them gives access.
   */
  admit(protocols: readonly string[]): { readonly proof: string | undefined } | undefined;
  /** A new code, which `redeem` exchanges for the token. */
  createCode(): string;
  /** True for a code that is neither used nor too old. */
  hasCode(code: string): boolean;
  /** The token; undefined if the code is wrong, used or too old. */
  redeem(code: string): string | undefined;
  /** Replaces the token, and makes all codes and challenges invalid. */
  revoke(): void;
}

const tokenBytes = 32;
/** Milliseconds for which a code, and a challenge, are valid. */
const codeLife = 60_000;
const challengeLife = 30_000;
const tokenPrefix = 'cambium.';

export function createAccess(now: () => number = Date.now): Access {
  let token = createToken();
  /** Signs the time in challenges, so that none has to be stored before its client is known. */
  let challengeKey = randomBytes(tokenBytes);
  /** Challenges that were used, and codes that were not, with the times at which they end. */
  const used = new Map<string, number>();
  const codes = new Map<string, number>();

  const removeOld = (ends: Map<string, number>): void => {
    for (const [key, end] of ends) if (end < now()) ends.delete(key);
  };
  const sign = (client: string, random: string, end: string): string =>
    createHmac('sha256', challengeKey).update([client, random, end].join('\n')).digest('hex');

  /** True for a challenge that this server gave for this nonce, that is not too old and was not used. */
  const isFresh = ({ client, server }: Nonces): boolean => {
    const [random = '', end = '', signature = ''] = server.split('.');
    if (!isSameText(signature, sign(client, random, end))) return false;
    return parseInt(end, 16) >= now() && !used.has(server);
  };

  const admitProof = (protocol: string): { readonly proof: string } | undefined => {
    const [client = '', random, end, signature, proof = ''] = protocol.slice(proofPrefix.length).split('.');
    const nonces = { client, server: [random, end, signature].join('.') };
    if (!isFresh(nonces) || !isValidProof(proof, token, 'client', nonces)) return undefined;
    removeOld(used);
    used.set(nonces.server, now() + challengeLife);
    return { proof: prove(token, 'server', nonces) };
  };

  return {
    get token() {
      return token;
    },
    challenge(client) {
      const random = createNonce();
      const end = (now() + challengeLife).toString(16);
      const server = [random, end, sign(client, random, end)].join('.');
      return { challenge: server, proof: prove(token, 'challenge', { client, server }) };
    },
    admit(protocols) {
      const proof = protocols.find((name) => name.startsWith(proofPrefix));
      if (proof !== undefined) return admitProof(proof);
      const given = protocols.find((name) => name.startsWith(tokenPrefix));
      const isAllowed = given !== undefined && isSameText(given.slice(tokenPrefix.length), token);
      return isAllowed ? { proof: undefined } : undefined;
    },
    createCode() {
      removeOld(codes);
      const code = createToken();
      codes.set(code, now() + codeLife);
      return code;
    },
    hasCode(code) {
      removeOld(codes);
      return codes.has(code);
    },
    redeem(code) {
      removeOld(codes);
      return codes.delete(code) ? token : undefined;
    },
    revoke() {
      token = createToken();
      challengeKey = randomBytes(tokenBytes);
      codes.clear();
      used.clear();
    },
  };
}

const createToken = (): string => randomBytes(tokenBytes).toString('hex');
