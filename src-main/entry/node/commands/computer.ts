/** @file cambium devices, doctor, diagnostics: what this computer can run on, and what is missing. */
import { showBytes, showCount, showFlops } from '../../../base/units.ts';
import type { MeasuredDevice } from '../../../contract/cost.ts';
import type { Device } from '../../../contract/schema.ts';
import type { Service } from '../../../contract/service.ts';
import type { AddCommand } from '../command.ts';
import { exits, table, type Output } from '../output.ts';
import { runGiven } from './runs.ts';

/** Every usable device, one after the other: two at once would slow each other. */
async function measure(api: Service, devices: readonly Device[], out: Output): Promise<undefined> {
  const found: MeasuredDevice[] = [];
  for (const { id, name, software } of devices.filter((d) => d.available)) {
    if (software === true) continue;
    out.note(`Measuring ${name}`);
    found.push(await api.measureDevice({ device: id }));
  }
  const rows = found.map(({ device, measured: m }) => [
    device,
    `${showFlops(m.product)}/s`,
    `${showBytes(m.stream)}/s`,
    `${showCount(m.functions)}/s`,
    `${(1e6 * m.nodeSeconds).toFixed(1)} µs`,
  ]);
  out.result(
    { measured: found },
    table([['device', 'products', 'moves', 'functions', 'an operator'], ...rows]),
  );
  return undefined;
}

export const computer: AddCommand = (program, run) => {
  program
    .command('devices')
    .description('list what this computer can run on')
    .option('--measure', 'measure how fast each usable one is, which estimates then stand on')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium devices\n  cambium devices --measure')
    .action(
      run(async ({ api, out, options }) => {
        const devices = await api.devices({});
        if (options['measure'] === true) return measure(api, devices, out);
        const rows = devices.map((d) => [
          d.id,
          d.available ? 'yes' : 'no',
          d.name,
          d.memory === null ? '-' : showBytes(d.memory),
          d.why ?? '',
        ]);
        out.result({ devices }, table([['device', 'usable', 'name', 'memory', 'why'], ...rows]));
        return undefined;
      }),
    );

  program
    .command('doctor')
    .description('say what is present, what is missing, and what mends it')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing that is needed is missing, 1 something is.\n\nExamples:\n  cambium doctor',
    )
    .action(
      run(async ({ api, out }) => {
        const checks = await api.doctor({});
        const ok = checks.every((c) => c.ok || c.optional === true);
        const width = Math.max(...checks.map((c) => c.what.length));
        out.result(
          { ok, checks },
          checks
            .map(
              (c) =>
                `${c.ok ? '✓' : c.optional ? '·' : '✗'} ${c.what.padEnd(width)}  ${c.found}${c.ok || !c.remedy || c.remedy === c.found ? '' : `\n  ${' '.repeat(width)}  → ${c.remedy}`}`,
            )
            .join('\n'),
        );
        return ok ? exits.ok : exits.failed;
      }),
    );

  program
    .command('diagnostics')
    .argument('[run]', 'a run, whose settings and last lines go along')
    .description(
      'print what to send along with a report of trouble; it holds no secret and none of your text',
    )
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium diagnostics ./run > report.txt')
    .action(
      run(async ({ api, out }, one) => {
        const found = await api.diagnostics(one === undefined ? {} : { run: runGiven(one) });
        out.result(found, found.text);
        return undefined;
      }),
    );
};
