#!/usr/bin/env node
/**
 * @file A stand-in for ssh whose other computer is this one, with a home of its own (BOX_HOME): runs the
 * command, or carries the port and leaves its process number there. SSH_MOOD makes it fail as ssh does, or
 * hang.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

const given = process.argv.slice(2);
const mood = process.env.SSH_MOOD ?? '';
if (mood === 'unreachable') {
  process.stderr.write('ssh: connect to host box port 22: No route to host\n');
  process.exit(255);
}
const words = [];
let forward;
for (let i = 0; i < given.length; i++) {
  if (given[i] === '-o') i++;
  else if (given[i] === '-L') forward = given[++i];
  else if (given[i] !== '-N') words.push(given[i]);
}
const [target, command] = words;
if (target !== 'me@box') {
  process.stderr.write(`ssh: Could not resolve hostname ${target}\n`);
  process.exit(255);
}
if (mood === 'hang') setInterval(() => undefined, 1000);
else if (forward) {
  if (mood === 'no-forwarding') {
    process.stderr.write('bind: Address already in use\n');
    process.exit(255);
  }
  const [, near, , far] = forward.split(':').map(Number);
  writeFileSync(join(process.env.BOX_HOME, 'tunnel.pid'), String(process.pid));
  createServer((socket) => {
    const there = connect(far, '127.0.0.1');
    socket.pipe(there).pipe(socket);
    for (const end of [socket, there])
      end.on('error', () => {
        socket.destroy();
        there.destroy();
      });
  }).listen(near, '127.0.0.1');
} else {
  const child = spawn('sh', ['-c', command], {
    stdio: 'inherit',
    env: { ...process.env, CAMBIUM_HOME: process.env.BOX_HOME },
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}
