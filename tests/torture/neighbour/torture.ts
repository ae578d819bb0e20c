/** @file What another user of this computer, and a web page, can do to a running server. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import { attacks, denials, ownDenials, type Target } from './attacks.ts';
import { pageAttacks } from './page.ts';
import { callAsOwner, startOwnServer, type OwnServer } from './server.ts';

/** The user id of `nobody`. Only root can act as another user; others try the same without the other user's rights. */
const otherUser = 65_534;
const isRoot = process.getuid?.() === 0;
/** Attacks on files and processes need another user. */
const needsOtherUser = /home folder|list of processes|ends the server/;

/** The users as which an attack is tried: as the owner's own user, and as another one. */
function listUsers(name: string): readonly User[] {
  const isForOwner = name in denials ? ownDenials.includes(name) : !needsOtherUser.test(name);
  return [...(isForOwner ? ['same' as const] : []), ...(isRoot ? ['other' as const] : [])];
}
type User = 'same' | 'other';
/** Megabytes that the server may take for connections without the token. */
const maxMemory = 500;
/** Milliseconds of a flood: of all attacks, and of chosen ones. */
const longFlood = 4000;
const shortFlood = 1000;
/** The name of the attacks of a web page. */
const pageAttack = 'a web page';
/** Milliseconds within which the server closes what is left, and the files and connections that may stay open. */
const closeTime = 12_000;
const maxFiles = 10;

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Runs one attack in its own process; returns what it gained. */
async function attack(name: string, user: User, target: Target): Promise<string | undefined> {
  const child = fork(join(import.meta.dirname, 'attacker.ts'), [], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    ...(user === 'other' ? { uid: otherUser, gid: otherUser } : {}),
  });
  try {
    await once(child, 'message');
    child.send({ name, target });
    const [{ gained }] = (await once(child, 'message')) as [{ gained?: string }];
    return gained;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Calls that must fail in a row before a user is kept out by programs of its own, which may end the server too. */
const ownTries = 5;

/** Calls the server again and again until `work` ends, each time once: a call that fails `tries` times is a denial. */
async function callMeanwhile(
  server: OwnServer,
  work: Promise<unknown>,
  tries: number,
): Promise<{ readonly calls: number; readonly denials: readonly string[]; readonly longest: number }> {
  let isOver = false;
  void work.finally(() => {
    isOver = true;
  });
  let calls = 0;
  let longest = 0;
  const denied: string[] = [];
  while (!isOver) {
    calls++;
    await callAgain(server, tries).then(
      (ms) => {
        longest = Math.max(longest, ms);
      },
      (error: unknown) => denied.push((error as Error).message),
    );
    await wait(50);
  }
  return { calls, denials: denied, longest };
}

/** Calls the server until it answers, at most `tries` times. */
async function callAgain(server: OwnServer, tries: number): Promise<number> {
  for (let n = 1; ; n++)
    try {
      return await callAsOwner(server);
    } catch (error) {
      if (n === tries) throw error;
    }
}

/** What the attacks found, and what is measured against. */
interface Findings {
  readonly lines: string[];
  readonly failures: string[];
  tried: number;
}

/** Starts the server of an owner whose browser stays in the list of processes with its address. */
async function startOwner(scratch: string, home: string): Promise<OwnServer> {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'xdg-open'), '#!/bin/sh\nexec sleep 600 "$@"\n', { mode: 0o755 });
  const { PATH = '', DISPLAY = ':9' } = process.env;
  return startOwnServer(home, ['--open', '--record', '--port', '0'], {
    PATH: `${bin}:${PATH}`,
    DISPLAY,
  });
}

async function tryAttacks(
  names: readonly string[],
  target: Target,
  found: Findings,
  note: (line: string) => void,
): Promise<void> {
  for (const name of names)
    for (const user of listUsers(name)) {
      const gained = await attack(name, user, target);
      found.tried++;
      note(`${gained === undefined ? '✓' : '✗'} ${user} user ${name}`);
      if (gained !== undefined) found.failures.push(`the ${user} user ${name}: ${gained}`);
    }
}

async function tryDenials(
  names: readonly string[],
  server: OwnServer,
  target: Target,
  found: Findings,
  note: (line: string) => void,
): Promise<void> {
  const before = server.readMemory();
  for (const name of names)
    for (const user of listUsers(name)) {
      const {
        calls,
        denials: denied,
        longest,
      } = await callMeanwhile(server, attack(name, user, target), user === 'same' ? ownTries : 1);
      found.tried++;
      const memory = ((server.readMemory() - before) / 1e6).toFixed(0);
      const answers = `${calls} calls of the owner, longest ${longest.toFixed(0)} ms`;
      const line = `${user} user ${name}: ${answers}, memory +${memory} MB`;
      note(`${denied.length === 0 ? '✓' : '✗'} ${line}`);
      found.lines.push(line);
      const who = `the ${user} user ${name}`;
      if (denied.length > 0)
        found.failures.push(`${who}: ${denied.length} of ${calls} calls of the owner failed: ${denied[0]!}`);
      await callAsOwner(server).catch(() => found.failures.push(`${who}: the server does not answer`));
      if (Number(memory) > maxMemory) found.failures.push(`${who}: the server took ${memory} MB`);
    }
}

/** The files and connections that are open beyond `before`, once the server has closed what it closes. */
async function countFilesLeft(server: OwnServer, before: number): Promise<number> {
  const end = Date.now() + closeTime;
  while (server.countFiles() - before > maxFiles && Date.now() < end) await wait(200);
  return server.countFiles() - before;
}

async function run({ scratch, count, seed, only, note }: TortureOptions): Promise<TortureReport> {
  const found: Findings = { lines: [], failures: [], tried: 0 };
  const home = join(scratch, 'home');
  chmodSync(scratch, 0o755);
  const attackerScratch = join(scratch, 'attacker');
  mkdirSync(attackerScratch);
  if (isRoot) chownSync(attackerScratch, otherUser, otherUser);
  const server = await startOwner(scratch, home);
  const { port, pid } = server;
  const floodMs = only.length === 0 ? longFlood : shortFlood;
  const target: Target = { port, home, pid, scratch: attackerScratch, seed, floodMs };
  const chosen = (names: readonly string[]): readonly string[] =>
    names.filter((name) => only.length === 0 || only.includes(name));
  try {
    await callAsOwner(server);
    const filesBefore = server.countFiles();
    for (let round = 0; round < count; round++) {
      await tryAttacks(chosen(Object.keys(attacks)), target, found, note);
      await tryDenials(chosen(Object.keys(denials)), server, target, found, note);
    }
    if (chosen([pageAttack]).length > 0) {
      const pages = await pageAttacks(server, note);
      found.tried += pages.tried;
      found.failures.push(...pages.gained);
    }
    const files = await countFilesLeft(server, filesBefore);
    if (files > maxFiles)
      found.failures.push(`the server keeps ${files} more files and connections than before`);
    const users = isRoot ? 'as another user' : 'as the same user';
    found.lines.unshift(`${found.tried} attacks, ${users}; open files afterwards: +${files}`);
    await callAsOwner(server);
  } finally {
    await server.stop();
  }
  return found;
}

export const neighbour: Torture = {
  promise:
    'Another user of this computer, or a web page, calls no procedure, reads no file, and keeps nobody out.',
  count: 3,
  run,
};
