/**
 * @file What another user of this computer may try against a server and the folders of its owner. Each attack returns
 * what it gained, or undefined. It knows the port, the home folder and the process id, but not the token.
 */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { WebSocket } from 'ws';

export interface Target {
  readonly port: number;
  readonly home: string;
  readonly pid: number;
  /** A folder for files of the attacker. */
  readonly scratch: string;
  /** The seed of its guesses. */
  readonly seed: number;
  /** Milliseconds of a flood. */
  readonly floodMs: number;
}

type Attack = (target: Target) => Promise<string | undefined>;

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends a request as it is, without normalizing the path. Status 0 if the connection ends without an answer. */
function send(
  { port }: Target,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false, timeout: 15_000 };
    const sent = httpRequest(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('close', () => {
        resolve({ status: response.statusCode!, body: text });
      });
    });
    sent.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode!, body: '' });
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => {
      resolve({ status: 0, body: '' });
    });
    sent.end(body);
  });
}

/** True if a WebSocket opens. */
function opens(
  { port }: Target,
  protocols: string[],
  headers: Record<string, string> = {},
  path = '/rpc',
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
      headers,
      handshakeTimeout: 5000,
    });
    socket.on('open', () => {
      socket.terminate();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}

/** What a reader of the server's folders learns: the paths that can be read or changed. */
function listReadable(folder: string): readonly string[] {
  const found: string[] = [];
  try {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      found.push(join(folder, name));
    found.push(folder);
  } catch {
    // It cannot be listed; known names may still be open.
  }
  for (const name of [
    'server.json',
    'server.log',
    'runs.json',
    'checkpoints.json',
    'places.json',
    'settings.json',
  ])
    try {
      readFileSync(join(folder, name));
      found.push(join(folder, name));
    } catch {
      // As it should be.
    }
  return found;
}

let guesses = 0;
/** A token that is guessed: another one at each call, the same ones for a seed. */
const guess = ({ seed }: Target): string => createHash('sha256').update(`${seed} ${guesses++}`).digest('hex');
const upgrade = [
  'GET /rpc HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
].join('\r\n');

/** Ways to ask for a WebSocket without the token. */
const badProtocols = (target: Target): readonly string[][] => [
  [],
  ['cambium'],
  ['cambium', 'cambium.'],
  ['cambium', `cambium.${guess(target)}`],
  ['cambium', 'cambium.undefined', 'cambium.null', 'cambium.0'],
  ['cambium', `cambium-proof.${guess(target)}.${guess(target)}`],
  ['cambium', `cambium-proof.${'0'.repeat(32)}.a.b.c.${'0'.repeat(64)}`],
  ['cambium', 'cambium-proof.'],
  ['cambium', ...Array.from({ length: 100 }, () => `cambium.${guess(target)}`)],
];

export const attacks: Readonly<Record<string, Attack>> = {
  async 'calls a procedure without the token, or with a wrong one'(target) {
    const tries = ['/rpc', '/revoke', '/rpc?token=', '/rpc/', '//rpc'].flatMap((path) =>
      badProtocols(target).map((protocols) => ({ path, protocols })),
    );
    const opened = await Promise.all(tries.map(({ path, protocols }) => opens(target, protocols, {}, path)));
    const found = tries[opened.indexOf(true)];
    return found && `${found.path} opened with ${found.protocols.join(', ')}`;
  },

  async 'answers its own challenge, and replays one'(target) {
    const nonce = randomBytes(16).toString('hex');
    const { status, body } = await send(target, `/challenge?nonce=${nonce}`);
    // The connection of another user is closed.
    if (status === 0) return undefined;
    const { challenge, proof } = JSON.parse(body) as { challenge: string; proof: string };
    const forged = createHmac('sha256', '').update(`client\n${nonce}\n${challenge}`).digest('hex');
    for (const own of [proof, forged, challenge.split('.')[2]!])
      if (await opens(target, ['cambium', `cambium-proof.${nonce}.${challenge}.${own}`]))
        return 'a proof was accepted';
    return undefined;
  },

  async 'guesses the code of a one-time address'(target) {
    const origin = `http://127.0.0.1:${target.port}`;
    const headers = { origin, host: `127.0.0.1:${target.port}` };
    const bodies = ['', guess(target), 'undefined', '__proto__', 'x'.repeat(1_000_000)];
    const answers = await Promise.all(
      bodies.map((body) => send(target, '/token', { method: 'POST', headers, body })),
    );
    const accepted = answers.findIndex(({ status, body }) => status === 200 || /[0-9a-f]{64}/.test(body));
    return accepted === -1 ? undefined : `${bodies[accepted]!.slice(0, 20)} was accepted`;
  },

  async 'reads a file outside of the page'(target) {
    const paths = [
      '/../package.json',
      '/..%2f..%2fpackage.json',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/assets/../../main/cli.js',
      '/assets/..%5c..%5cmain%5ccli.js',
      '//etc/passwd',
      '/etc/passwd',
      `/${target.home}/server.json`,
      `/..${target.home}/server.json`,
      '/%00',
      '/index.html%00.js',
      'http://127.0.0.1/../package.json',
      'file:///etc/passwd',
    ];
    const answers = await Promise.all(paths.map((path) => send(target, path)));
    const served = answers.findIndex(
      ({ status, body }) => status === 200 && !body.includes('<div id="app">'),
    );
    return served === -1 ? undefined : `${paths[served]!} was served`;
  },

  async 'reads or changes the home folder'({ home }) {
    const readable = listReadable(home);
    if (readable.length > 0) return `can read ${readable.slice(0, 3).join(', ')}`;
    try {
      writeFileSync(join(home, 'places.json'), '[]');
      return 'could write places.json';
    } catch {
      return undefined;
    }
  },

  async 'finds the token in the list of processes'({ pid }) {
    for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      for (const file of ['cmdline', 'environ']) {
        let text = '';
        try {
          text = readFileSync(join('/proc', entry, file), 'latin1');
        } catch {
          // It belongs to another user.
        }
        if (/#token=[0-9a-f]{64}/.test(text)) return `/proc/${entry}/${file} has an address with a token`;
      }
    try {
      accessSync(`/proc/${pid}/mem`, constants.R_OK);
      return 'the memory of the server is readable';
    } catch {
      return undefined;
    }
  },

  async 'uses a one-time address that it sees in the list of processes'(target) {
    const origin = `http://127.0.0.1:${target.port}`;
    const text = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 1 << 26 });
    const codes = [...text.matchAll(/#code=([0-9a-f]{64})/g)].map(([, code]) => code!);
    for (const body of codes) {
      const headers = { origin, host: `127.0.0.1:${target.port}` };
      const answer = await send(target, '/token', { method: 'POST', headers, body });
      if (answer.status === 200) return 'a code of the list of processes was accepted';
    }
    return undefined;
  },

  async 'ends the server'({ pid }) {
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGUSR1'] as const)
      try {
        process.kill(pid, signal);
        return `${signal} was delivered`;
      } catch {
        // As it should be.
      }
    return undefined;
  },

  async 'sends requests that are none'({ port }) {
    const texts = [
      '\0'.repeat(1000),
      '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X: y\r\n'.repeat(5000)}\r\n`,
      `GET /${'a'.repeat(1_000_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
      'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /rpc',
      `${upgrade}\r\nUpgrade: h2c\r\n\r\n`,
      `${upgrade.replace('/rpc', '/%')}\r\n\r\n`,
      `${upgrade.replace('13', '99')}\r\n\r\n`,
    ];
    for (const text of texts) {
      const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
      let answer = '';
      socket.setEncoding('latin1').on('data', (part: string) => {
        answer += part;
      });
      socket.write(text, 'latin1');
      await Promise.race([new Promise((resolve) => socket.once('close', resolve)), wait(500)]);
      socket.destroy();
      if (/^HTTP\/1.1 (101|200) (Switching|Connection)/.test(answer))
        return `${text.slice(0, 30)} was accepted`;
    }
    return undefined;
  },
};

/** Opens `count` connections that each send `text` every `interval` milliseconds. */
async function flood(
  { port, floodMs }: Target,
  count: number,
  { text, interval = 500, reads = true }: { text: string; interval?: number; reads?: boolean },
): Promise<undefined> {
  const sockets = new Set<Socket>();
  const end = Date.now() + floodMs;
  const open = (): void => {
    const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
    sockets.add(socket);
    if (reads) socket.resume();
    if (text !== '') socket.write(text, 'latin1');
    socket.on('close', () => {
      sockets.delete(socket);
      if (Date.now() < end) setImmediate(open);
    });
  };
  for (let i = 0; i < count; i++) open();
  while (Date.now() < end) {
    await wait(interval);
    if (text !== '') for (const socket of sockets) if (socket.writable) socket.write(text, 'latin1');
  }
  for (const socket of sockets) socket.destroy();
  return undefined;
}

const endlessBody = 'POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999\r\n\r\n';
/** Attacks that gain nothing but may keep the owner out. */
export const denials: Readonly<Record<string, Attack>> = {
  'holds 2000 connections': (target) => flood(target, 2000, { text: '' }),
  'sends headers slowly on 1000 connections': (target) =>
    flood(target, 1000, { text: 'GET / HTTP/1.1\r\nX: y\r\n' }),
  'keeps 1000 refused WebSockets open': (target) => flood(target, 1000, { text: `${upgrade}\r\n\r\n` }),
  'asks for challenges on 200 connections': (target) =>
    flood(target, 200, {
      text: `GET /challenge?nonce=${'0'.repeat(32)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(20),
      interval: 20,
    }),
  'asks for the page on 200 connections and reads nothing': (target) =>
    flood(target, 200, {
      text: 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(50),
      interval: 20,
      reads: false,
    }),
  'sends endless bodies on 100 connections': (target) =>
    flood(target, 100, { text: `${endlessBody}${'x'.repeat(100_000)}`, interval: 50 }),
};
/**
 * Those that are tried as the owner's own user too. A program of the owner that sends many requests at once on one
 * connection, which no browser does, can keep the server busy; it can also end it.
 */
export const ownDenials: readonly string[] = Object.keys(denials).slice(0, 3);
