#!/usr/bin/env node
/**
 * @file A replacement for ssh in tests. The remote machine is this one with another home folder (BOX_HOME):
 * it runs the command, or forwards the port and writes its process id to BOX_HOME/tunnel.pid. SSH_MOOD makes
 * it fail as ssh does (`unreachable`, `no-forwarding`) or never answer (`hang`).
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

const args = process.argv.slice(2);
const mode = process.env.SSH_MOOD ?? '';
if (mode === 'unreachable') {
  process.stderr.write('ssh: connect to host box port 22: No route to host\n');
  process.exit(255);
}
const positional = [];
let forward;
for (let i = 0; i < args.length; i++) {
  if (args[i] === '-o') i++;
  else if (args[i] === '-L') forward = args[++i];
  else if (!['-N', '--'].includes(args[i])) positional.push(args[i]);
}
const [target, command] = positional;
if (target !== 'me@box') {
  process.stderr.write(`ssh: Could not resolve hostname ${target}\n`);
  process.exit(255);
}
if (mode === 'hang') setInterval(() => undefined, 1000);
else if (forward) {
  if (mode === 'no-forwarding') {
    process.stderr.write('bind: Address already in use\n');
    process.exit(255);
  }
  // A Unix socket, or 127.0.0.1 and a port; then the address and port of the other end.
  const [, local, remotePort] = /^(.*):127\.0\.0\.1:(\d+)$/.exec(forward);
  writeFileSync(join(process.env.BOX_HOME, 'tunnel.pid'), String(process.pid));
  createServer((socket) => {
    const remote = connect(Number(remotePort), '127.0.0.1');
    socket.pipe(remote).pipe(socket);
    for (const end of [socket, remote]) {
      end.on('error', () => {
        socket.destroy();
        remote.destroy();
      });
    }
  }).listen(local.startsWith('/') ? local : Number(local.split(':')[1]));
} else {
  const child = spawn('sh', ['-c', command], {
    stdio: 'inherit',
    env: { ...process.env, CAMBIUM_HOME: process.env.BOX_HOME },
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}
