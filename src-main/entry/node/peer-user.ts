/** @file Finds which user of this computer is at the other end of a loopback connection. Linux only. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** List the connections of this network namespace: their ends in hexadecimal, and the user of each. */
const tables = ['/proc/net/tcp', '/proc/net/tcp6'];
/** What precedes an address of IPv4 in the table of IPv6. */
const mapped = '0000000000000000FFFF0000';
/** The state of a connection that some process still holds. In other states the table names root as the user. */
const established = '01';

/** `127.0.0.1` as the kernel prints it: four bytes in the order of the machine, which is little-endian here. */
const toHexAddress = (address: string): string =>
  address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .reverse()
    .join('')
    .toUpperCase();
const toHexPort = (port: number): string => port.toString(16).padStart(4, '0').toUpperCase();
const toEnd = (address = '', port = 0): string =>
  `${toHexAddress(address.replace(/^::ffff:/, ''))}:${toHexPort(port)}`;

/** The user of each connection to one end, by the other end. */
type Users = ReadonlyMap<string, number>;

/** Finds the users in a table. Reads only the lines that name `end`, of which the kernel may list thousands more. */
function addUsers(users: Map<string, number>, text: string, end: string): void {
  const key = `${end} ${established} `;
  for (let at = text.indexOf(key); at !== -1; at = text.indexOf(key, at + key.length)) {
    const lineStart = text.lastIndexOf('\n', at) + 1;
    const lineEnd = text.indexOf('\n', at);
    const line = text.slice(lineStart, lineEnd === -1 ? undefined : lineEnd);
    const [, other = '', , , , , , user] = line.trim().split(/\s+/);
    users.set(other.slice(other.startsWith(mapped) ? mapped.length : 0), Number(user));
  }
}

/** The states of the connections of one end, by the other end. */
function readStates(texts: readonly string[], end: string): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const text of texts)
    for (let at = text.indexOf(`${end} `); at !== -1; at = text.indexOf(`${end} `, at + 1)) {
      const [other = '', state = ''] = text.slice(at + end.length + 1, at + end.length + 60).split(' ');
      states.set(other.slice(other.startsWith(mapped) ? mapped.length : 0), state);
    }
  return states;
}

/** The tables at one moment, searched once for each end. */
class Reading {
  readonly #users = new Map<string, Users>();
  readonly #states = new Map<string, ReadonlyMap<string, string>>();
  readonly #texts: readonly string[];

  constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  usersOf(end: string): Users {
    const known = this.#users.get(end);
    if (known) return known;
    const users = new Map<string, number>();
    for (const text of this.#texts) addUsers(users, text, end);
    this.#users.set(end, users);
    return users;
  }

  /** True if the table lists the server at `end`, but no open connection to `other` any more. */
  isOver(end: string, other: string): boolean {
    const states = this.#states.get(end) ?? readStates(this.#texts, end);
    this.#states.set(end, states);
    return states.size > 0 && states.get(other) !== established;
  }
}

const readTables = async (): Promise<Reading> =>
  new Reading(await Promise.all(tables.map((table) => readFile(table, 'latin1').catch(() => ''))));

/** The reading that has not begun yet, for all connections that wait for it. */
let next: Promise<Reading> | undefined;
let current: Promise<unknown> = Promise.resolve();

/** Reads the tables once for all connections that ask meanwhile. */
function readSoon(): Promise<Reading> {
  next ??= current.then(() => {
    const reading = readTables();
    next = undefined;
    current = reading;
    return reading;
  });
  return next;
}

/** A user id; `gone` if the other end is closed by now, `unknown` if the system does not tell. */
export type PeerUser = number | 'gone' | 'unknown';

/** The user at the other end of a connection. */
export async function findPeerUser(socket: Socket): Promise<PeerUser> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (process.platform !== 'linux' || remotePort === undefined) return 'unknown';
  const end = toEnd(localAddress, localPort);
  const other = toEnd(remoteAddress, remotePort);
  const reading = await readSoon();
  return reading.usersOf(end).get(other) ?? (reading.isOver(end, other) ? 'gone' : 'unknown');
}

/** True for this user, and for root, who may read this process anyway. */
export const isOwner = (user: number): boolean => user === 0 || user === process.getuid?.();
