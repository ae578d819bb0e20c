/** @file Errors of remote hosts, of the local server and of remote procedure calls. */
import type { ErrorText } from './text.ts';

export const remoteErrors = {
  'remote/not-found': (d: { host: string }): ErrorText => [
    `there is no remote host called ${d.host}`,
    'List the remote hosts with cambium host list.',
  ],
  'remote/exists': (d: { host: string }): ErrorText => [
    `there is already a remote host called ${d.host}`,
    'Choose another name, or remove that host first.',
  ],
  'remote/no-ssh': (d: { ssh: string }): ErrorText => [
    `${d.ssh} was not found on this computer`,
    'Install OpenSSH; Cambium connects to other computers through it.',
  ],
  'remote/unreachable': (d: { host: string; why: string }): ErrorText => [
    `cannot connect to ${d.host}: ${d.why}`,
    'Try the same target with ssh in a terminal; Cambium cannot ask for passphrases, so add such keys to ssh-agent.',
  ],
  'remote/no-cambium': (d: { host: string; command: string }): ErrorText => [
    `${d.host} does not have the command ${d.command}`,
    'Install Cambium there, or add the host again with its path: --command "node /path/to/cambium/bin/cambium.mjs".',
  ],
  'remote/version': (d: { host: string; here: string; there: string }): ErrorText => [
    `${d.host} runs Cambium ${d.there}, but this is ${d.here}`,
    'Install the same version on both.',
  ],

  'remote/bad-answer': (d: { host: string; call: string; why: string }): ErrorText => [
    `${d.host} sent an answer to ${d.call} that is not valid: ${d.why}`,
    'Install the same version on both; if they are the same, do not trust that computer.',
  ],

  'serve/port': (d: { port: number; why: string }): ErrorText => [
    `the port ${d.port} cannot be used: ${d.why}`,
    'Choose another port with --port, or leave the flag out to use a free one.',
  ],

  'rpc/closed': (_: Record<never, never>): ErrorText => [
    'the connection closed',
    'Work that was started continues; reconnect to follow it.',
  ],
  'rpc/bad-input': (d: { call: string; why: string }): ErrorText => [
    `${d.call}: ${d.why}`,
    'Correct the value and try again.',
  ],
  'rpc/unknown': (d: { call: string }): ErrorText => [
    `there is no procedure "${d.call}"`,
    'The two sides have different versions; update both.',
  ],
} as const;
