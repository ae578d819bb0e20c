/** @file cambium devices, doctor, diagnostics: what this computer can run on, and what is missing. */
import { formatBytes, formatCount, formatFlops } from '../../../base/format.ts';
import type { MeasuredDevice } from '../../../contract/cost.ts';
import type { Check, Device } from '../../../contract/schema.ts';
import type { Service } from '../../../contract/service.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { exits, table, type Output } from '../output.ts';
import { toRunId } from './runs.ts';

export const computer: AddCommand = (program, run) => {
  program
    .command('devices')
    .description('list the devices of this computer')
    .option('--measure', 'measure the speed of each available device, for estimates')
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  cambium devices\n  cambium devices --measure')
    .action(
      run(async ({ api, out, options }) => {
        const devices = await api.devices({});
        if (options['measure'] === true) await measureAll(api, devices, out);
        else out.result({ devices }, tabulateDevices(devices));
        return undefined;
      }),
    );

  program
    .command('doctor')
    .description('check what is installed, and say how to get what is missing')
    .option(...jsonFlag)
    .addHelpText(
      'after',
      '\nExit codes: 0 everything that is needed is there, 1 something is missing.\n\nExamples:\n  cambium doctor',
    )
    .action(
      run(async ({ api, out }) => {
        const checks = await api.doctor({});
        const ok = checks.every((check) => check.ok || check.optional === true);
        const width = Math.max(...checks.map((check) => check.what.length));
        out.result({ ok, checks }, checks.map((check) => describeCheck(check, width)).join('\n'));
        return ok ? exits.ok : exits.failed;
      }),
    );

  program
    .command('diagnostics')
    .argument('[run]', 'a run whose settings and last log lines are included')
    .description('print a text for a bug report, without secrets and without training text')
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  cambium diagnostics ./run > report.txt')
    .action(
      run(async ({ api, out }, id) => {
        const diagnostics = await api.diagnostics(id === undefined ? {} : { run: toRunId(id) });
        out.result(diagnostics, diagnostics.text);
        return undefined;
      }),
    );
};

const tabulateDevices = (devices: readonly Device[]): string =>
  table([
    ['device', 'available', 'name', 'memory', 'why not'],
    ...devices.map((device) => [
      device.id,
      device.available ? 'yes' : 'no',
      device.name,
      device.memory === null ? '-' : formatBytes(device.memory),
      device.why ?? '',
    ]),
  ]);

/** Measures the available devices one after the other: two at once would slow each other down. */
async function measureAll(api: Service, devices: readonly Device[], out: Output): Promise<void> {
  const measured: MeasuredDevice[] = [];
  for (const { id, name, available, software } of devices) {
    if (!available || software === true) continue;
    out.note(`Measuring ${name}`);
    measured.push(await api.measureDevice({ device: id }));
  }
  const rows = measured.map(({ device, measured: rates }) => [
    device,
    `${formatFlops(rates.product)}/s`,
    `${formatBytes(rates.stream)}/s`,
    `${formatCount(rates.functions)}/s`,
    `${(1e6 * rates.nodeSeconds).toFixed(1)} µs`,
  ]);
  out.result({ measured }, table([['device', 'matrix products', 'memory', 'functions', 'launch'], ...rows]));
}

function describeCheck({ what, ok, found, remedy, optional }: Check, width: number): string {
  const mark = ok ? '✓' : optional ? '·' : '✗';
  const line = `${mark} ${what.padEnd(width)}  ${found}`;
  const needsRemedy = !ok && remedy !== undefined && remedy !== '' && remedy !== found;
  return needsRemedy ? `${line}\n  ${' '.repeat(width)}  → ${remedy}` : line;
}
