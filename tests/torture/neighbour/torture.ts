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

/** Calls the server again and again until `work` ends. Returns the answers and the longest time. */
async function callMeanwhile(
  server: OwnServer,
  work: Promise<unknown>,
): Promise<{ readonly calls: number; readonly failed: number; readonly longest: number }> {
  let isOver = false;
  void work.finally(() => {
    isOver = true;
  });
  let calls = 0;
  let failed = 0;
  let longest = 0;
  while (!isOver) {
    calls++;
    const ms = await callAsOwner(server).catch(() => Infinity);
    if (!Number.isFinite(ms)) failed++;
    else longest = Math.max(longest, ms);
    await wait(50);
  }
  return { calls, failed, longest };
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

async function tryAttacks(target: Target, found: Findings, note: (line: string) => void): Promise<void> {
  for (const name of Object.keys(attacks))
    for (const user of listUsers(name)) {
      const gained = await attack(name, user, target);
      found.tried++;
      note(`${gained === undefined ? '✓' : '✗'} ${user} user ${name}`);
      if (gained !== undefined) found.failures.push(`the ${user} user ${name}: ${gained}`);
    }
}

async function tryDenials(
  server: OwnServer,
  target: Target,
  found: Findings,
  note: (line: string) => void,
): Promise<void> {
  const before = server.readMemory();
  for (const name of Object.keys(denials))
    for (const user of listUsers(name)) {
      const { calls, failed, longest } = await callMeanwhile(server, attack(name, user, target));
      found.tried++;
      const memory = ((server.readMemory() - before) / 1e6).toFixed(0);
      const answers = `${calls} calls of the owner, longest ${longest.toFixed(0)} ms`;
      const line = `${user} user ${name}: ${answers}, memory +${memory} MB`;
      note(`${failed === 0 ? '✓' : '✗'} ${line}`);
      found.lines.push(line);
      const who = `the ${user} user ${name}`;
      if (failed > 0) found.failures.push(`${who}: ${failed} of ${calls} calls of the owner failed`);
      await callAsOwner(server).catch(() => found.failures.push(`${who}: the server does not answer`));
      if (Number(memory) > maxMemory) found.failures.push(`${who}: the server took ${memory} MB`);
    }
}

async function run({ scratch, count, note }: TortureOptions): Promise<TortureReport> {
  const found: Findings = { lines: [], failures: [], tried: 0 };
  const home = join(scratch, 'home');
  chmodSync(scratch, 0o755);
  const attackerScratch = join(scratch, 'attacker');
  mkdirSync(attackerScratch);
  if (isRoot) chownSync(attackerScratch, otherUser, otherUser);
  const server = await startOwner(scratch, home);
  const target: Target = { port: server.port, home, pid: server.pid, scratch: attackerScratch };
  try {
    await callAsOwner(server);
    const filesBefore = server.countFiles();
    for (let round = 0; round < count; round++) {
      await tryAttacks(target, found, note);
      await tryDenials(server, target, found, note);
    }
    const pages = await pageAttacks(server, note);
    found.tried += pages.tried;
    found.failures.push(...pages.gained);
    await wait(closeTime);
    const files = server.countFiles() - filesBefore;
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
