/** @file cambium devices, doctor: what this computer can run on, and what is missing. */
import { showBytes } from '../../../base/units.ts';
import type { AddCommand } from '../command.ts';
import { exits, table } from '../output.ts';

export const computer: AddCommand = (program, run) => {
  program.command('devices').description('list what this computer can run on')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium devices')
    .action(run(async ({ api, out }) => {
      const devices = await api.devices({});
      const rows = devices.map((d) => [d.id, d.available ? 'yes' : 'no', d.name, d.memory === null ? '-' : showBytes(d.memory), d.why ?? '']);
      out.result({ devices }, table([['device', 'usable', 'name', 'memory', 'why'], ...rows]));
      return undefined;
    }));

  program.command('doctor').description('say what is present, what is missing, and what mends it')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExit codes: 0 nothing that is needed is missing, 1 something is.\n\nExamples:\n  cambium doctor')
    .action(run(async ({ api, out }) => {
      const checks = await api.doctor({});
      const ok = checks.every((c) => c.ok || c.optional === true);
      const width = Math.max(...checks.map((c) => c.what.length));
      out.result({ ok, checks }, checks.map((c) => `${c.ok ? '✓' : c.optional ? '·' : '✗'} ${c.what.padEnd(width)}  ${c.found}${c.ok || !c.remedy || c.remedy === c.found ? '' : `\n  ${' '.repeat(width)}  → ${c.remedy}`}`).join('\n'));
      return ok ? exits.ok : exits.failed;
    }));
};
