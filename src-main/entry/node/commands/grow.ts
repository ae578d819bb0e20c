/** @file cambium grow: grows a checkpoint, or the newest step of a run, and certifies the result. */
import { resolve } from 'node:path';
import { deviceChoices } from '../../../base/device.ts';
import { formatBytes, formatDuration } from '../../../base/format.ts';
import type { GrowEvent } from '../../../contract/schema.ts';
import { readChoice, refuseUsage } from '../arguments.ts';
import { deviceFlag, getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { followJob } from '../follow.ts';
import { addCertificateTextFlags, readCertificateText } from '../certificate-flags.ts';
import { addGrowthFlags, describeMethods } from '../growth-flags.ts';
import { describeCertificate } from '../growth-text.ts';
import { exits, formatNotes, type Output } from '../output.ts';
import { readPlanFile, readRequests } from '../recipe.ts';
import { exitOf, showCertifying } from './verify.ts';

const examples = `
Exit codes: 0 grown, and what the plan promised was measured (or nothing was promised); 3 grown, but the certificate
failed; 1 failed; 130 cancelled (no files are left).

Examples:
  cambium grow ./model --method hypercloning --times hidden=2,ffn=2 --out ./grown
  cambium grow ./model --method expand --to hidden=1024,heads=16 --out ./grown --device cpu
  cambium grow ./model --method hypercloning --times hidden=2,ffn=2 --then identity layers=x2 \\
    --then vocab multiple=128 --out ./grown
  cambium grow ./model --recipe recipe.json --out ./grown
  cambium grow ./model --plan plan.json --out ./grown
  cambium grow --from-run ./run --method net2net --times ffn=2 --out ./grown
  cambium grow ./model --method vocab --option multiple=128 --out ./grown --certificate-data corpus.txt`;

export const grow: AddCommand = (program, run) => {
  const command = program.command('grow').argument('[dir]', 'folder of the checkpoint or of the run to grow');
  addGrowthFlags(command)
    .description('grow a checkpoint into a new folder, and measure what it preserves')
    .requiredOption('--out <dir>', 'the folder to create; it must not exist')
    .option(
      '--plan <file>',
      'apply a plan that was saved by `cambium plan --save` or the page: the same bytes',
    )
    .option('--from-run <run>', 'grow the newest saved step of this run, with its optimizer moments')
    .option(...deviceFlag)
    .option(...jsonFlag);
  addCertificateTextFlags(command, 'certificate')
    .addHelpText('after', () => describeMethods() + examples)
    .action(
      run(async ({ api, out, options, signal }, dir) => {
        const source = findSource(dir, options);
        const planFile = getText(options['plan']);
        if (planFile !== undefined) refuseMethodFlags(options);
        const growth =
          planFile === undefined
            ? { request: [...(await readRequests(api, source, options))] }
            : { plan: await readPlanFile(planFile) };
        const certificateText = readCertificateText(options, 'certificate');
        const job = await api.startGrowth({
          source,
          out: resolve(String(options['out'])),
          ...growth,
          device: readChoice('--device', String(options['device']), deviceChoices),
          ...(certificateText ? { certificateText } : {}),
        });
        const done = await followJob(api, job, api.followGrowth({ id: job.id }), signal, (event) => {
          showProgress(event, out);
          return event.type === 'done' ? event : undefined;
        });
        const { certificate } = done;
        out.result(done, describeGrowth(done));
        return certificate ? exitOf(certificate) : exits.ok;
      }),
    );
};

function refuseMethodFlags(options: Options): void {
  if (['method', 'recipe', 'then'].some((name) => options[name] !== undefined))
    refuseUsage('give either --plan, or a method or recipe');
}

function showProgress(event: GrowEvent, out: Output): void {
  if (event.type === 'tensor') {
    const weights = `${event.tensors}/${event.ofTensors} weights, ${formatBytes(event.bytes)}`;
    out.progress('Growing', event.bytes, event.ofBytes, weights);
  }
  if (event.type === 'moments') out.progress('Growing the optimizer moments', event.done, event.of);
  if (event.type !== 'certifying') return;
  const { what, done, of, seconds } = event;
  if (what === undefined) out.note('Comparing the grown model with its source');
  else showCertifying({ what, done: done!, of: of!, seconds: seconds! }, out);
}

function describeGrowth(done: Extract<GrowEvent, { type: 'done' }>): string {
  const size = `${formatBytes(done.bytes)} in ${formatDuration(done.seconds)} on ${done.device}`;
  const result = done.certificate ? describeCertificate(done.certificate) : 'Not certified';
  return [`Grown into ${done.dir}: ${size}`, result, ...formatNotes(done.notes)].join('\n');
}

/** The folder to grow: the argument, or the run of --from-run. */
export function findSource(dir: string | undefined, options: Options): string {
  const run = getText(options['fromRun']);
  if (dir !== undefined && run !== undefined) refuseUsage('give either a folder or a run, not both');
  return resolve(dir ?? run ?? refuseUsage('give the folder to grow, or a run with --from-run'));
}
