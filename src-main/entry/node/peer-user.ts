/** @file Finds which user of this computer is at the other end of a loopback connection. Linux only. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** Lists the connections of this network namespace: their ends in hexadecimal, and the user of each. */
const tables = ['/proc/net/tcp', '/proc/net/tcp6'];

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

/** The parts of an end that stand for an address of IPv4, also where the table prints it as one of IPv6. */
const endLength = '0100007F:0000'.length;

/** The user at the other end of a connection, by both ends. */
type Users = ReadonlyMap<string, number>;

async function readUsers(): Promise<Users> {
  const users = new Map<string, number>();
  for (const table of tables) {
    const text = await readFile(table, 'latin1').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', remote = '', , , , , user] = line.trim().split(/\s+/);
      users.set(`${local.slice(-endLength)} ${remote.slice(-endLength)}`, Number(user));
    }
  }
  return users;
}

/** The reading that has not begun yet, for all connections that wait for it. */
let next: Promise<Users> | undefined;
let current: Promise<unknown> = Promise.resolve();

/** Reads the tables once for all connections that ask meanwhile. */
function readUsersSoon(): Promise<Users> {
  next ??= current.then(() => {
    const reading = readUsers();
    next = undefined;
    current = reading;
    return reading;
  });
  return next;
}

/** The user id at the other end; undefined if the system does not tell. */
export async function findPeerUser(socket: Socket): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (process.platform !== 'linux' || remotePort === undefined) return undefined;
  const key = `${toEnd(remoteAddress, remotePort)} ${toEnd(localAddress, localPort)}`;
  return (await readUsersSoon()).get(key);
}

/** True for this user, and for root, who may read this process anyway. */
export const isOwner = (user: number): boolean => user === 0 || user === process.getuid?.();
