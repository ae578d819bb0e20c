/** @file Scripts for shells that complete every command and flag; bash's is run. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { listCompletions } from '../../../src-main/entry/node/completion.ts';
import { shells, writeCompletion } from '../../../src-main/entry/node/completion-scripts.ts';
import { commands as allCommands } from '../../../src-main/entry/node/program.ts';
import { freshFolder } from '../../support/temporary.ts';

function createProgram(): Command {
  const program = new Command('cambium')
    .option('--host <name>', 'run it there')
    .addOption(new Option('--place <name>').hideHelp());
  for (const add of allCommands) add(program, () => () => Promise.resolve());
  return program;
}
const table = listCompletions(createProgram(), { '--method': ['hypercloning', 'expand'] });
const pathsOf = (command: Command, path: readonly string[] = []): readonly string[] =>
  command.commands.flatMap((child) => {
    const here = [...path, child.name()];
    return [here.join(' '), ...pathsOf(child, here)];
  });

describe('listCompletions', () => {
  it('has every command with its flags, and no hidden flag', () => {
    expect(table.map(({ path }) => path)).toEqual(['', ...pathsOf(createProgram())]);
    const grow = table.find(({ path }) => path === 'grow')!;
    expect(grow.flags.map(({ name }) => name)).toEqual(expect.arrayContaining(['--out', '--host', '--help']));
    expect(grow.flags.find(({ name }) => name === '--method')).toMatchObject({
      takesValue: true,
      values: ['hypercloning', 'expand'],
    });
    expect(table.flatMap(({ flags }) => flags).map(({ name }) => name)).not.toContain('--place');
  });
});

for (const shell of shells)
  it(`writes every command and flag into the script of ${shell}`, () => {
    const script = writeCompletion(shell, table);
    for (const { path, flags } of table) {
      expect(script).toContain(path);
      for (const { name } of flags) expect(script).toContain(shell === 'fish' ? name.slice(2) : name);
    }
  });

describe.skipIf(!existsSync('/bin/bash'))('in bash', () => {
  const file = join(freshFolder(), 'completion.bash');
  writeFileSync(file, writeCompletion('bash', table));
  /** What Tab offers at the end of these words, the last of which is being typed. */
  function complete(...words: readonly string[]): readonly string[] {
    const array = ['cambium', ...words].map((word) => `'${word}'`).join(' ');
    const script = `source '${file}'; COMP_WORDS=(${array}); COMP_CWORD=${words.length}; _cambium
printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('/bin/bash', ['--norc', '-c', script], { encoding: 'utf8' }).trim().split('\n');
  }

  it('completes commands, subcommands, flags and values', () => {
    expect(complete('gro')).toEqual(['grow']);
    expect(complete('plan', 'di')).toEqual(['diff']);
    expect(complete('grow', './model', '--meth')).toEqual(['--method']);
    expect(complete('grow', './model', '--method', 'hyp')).toEqual(['hypercloning']);
    expect(complete('--host', 'grow', 'sam')).toEqual(['sample']);
    expect(complete('grow', '--out', '/etc/host')).toContain('/etc/hosts');
  });
});
