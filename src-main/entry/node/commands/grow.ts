/**
 * @file cambium grow: grows a checkpoint, or the newest step of a run, in one stage or several; proves it,
 * and says so.
 */
import { resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { showBytes, showDuration } from '../../../base/units.ts';
import { text, type AddCommand } from '../command.ts';
import { readChoice } from '../arguments.ts';
import { devices, followJob } from '../following.ts';
import { describeCertificate, growthFlags, methodHelp } from '../growing.ts';
import { exits } from '../output.ts';
import { readPlanFile, readStages } from '../stages.ts';

const examples = `
Exit codes: 0 grown and proven, 3 grown but not proven, 1 failed, 130 cancelled (nothing is left behind).

Examples:
  cambium grow ./model --method hypercloning --times hidden=2,ffn=2 --out ./grown
  cambium grow ./model --method expand --to hidden=1024,heads=16 --out ./grown --device cpu
  cambium grow ./model --method hypercloning --times hidden=2,ffn=2 --then identity layers=x2 --then vocab multiple=128 --out ./grown
  cambium grow ./model --recipe recipe.json --out ./grown
  cambium grow ./model --plan plan.json --out ./grown
  cambium grow --from-run ./run --method net2net --times ffn=2 --out ./grown`;

export const grow: AddCommand = (program, run) => {
  growthFlags(program.command('grow').argument('[dir]', 'folder of the checkpoint to grow, or of a run'))
    .description('grow a checkpoint into a new folder and prove that it computes the same function')
    .requiredOption('--out <dir>', 'the folder to make; it must not exist')
    .option(
      '--plan <file>',
      'carry out a plan that `cambium plan --save` or the page wrote: the same bytes again',
    )
    .option('--from-run <run>', 'grow the newest saved step of this run; its optimizer moments go along')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', () => methodHelp() + examples)
    .action(
      run(async ({ api, out, options, signal }, dir) => {
        const source = sourceOf(dir, options);
        const file = text(options['plan']);
        if (
          file !== undefined &&
          (text(options['method']) !== undefined ||
            text(options['recipe']) !== undefined ||
            options['then'] !== undefined)
        )
          refuse('usage', { why: 'give either --plan, or a method or recipe' });
        const what =
          file === undefined
            ? { request: [...(await readStages(api, source, options))] }
            : { plan: await readPlanFile(file) };
        const job = await api.startGrowth({
          source,
          out: resolve(String(options['out'])),
          ...what,
          device: readChoice('--device', String(options['device']), devices),
        });
        const done = await followJob(api, job, api.followGrowth({ id: job.id }), signal, (event) => {
          if (event.at === 'tensor')
            out.progress(
              'Growing',
              event.bytes,
              event.ofBytes,
              `${event.tensors}/${event.ofTensors} weights, ${showBytes(event.bytes)}`,
            );
          else if (event.at === 'moments')
            out.progress("Carrying the optimizer's moments", event.done, event.of);
          else if (event.at === 'certifying') out.note('Comparing the grown model with its source');
          return event.at === 'done' ? event : undefined;
        });
        const { certificate } = done;
        out.result(
          done,
          `Grown into ${done.dir}: ${showBytes(done.bytes)} in ${showDuration(done.seconds)} on ${done.device}${certificate ? `\n${describeCertificate(certificate)}` : '\nNot proven: the checkpoint has no tokenizer to make text with'}`,
        );
        return certificate && !certificate.passed ? exits.notProven : exits.ok;
      }),
    );
};

/** What is grown: the folder named, or the run. */
export function sourceOf(dir: string | undefined, options: Readonly<Record<string, unknown>>): string {
  const run = text(options['fromRun']);
  if ((dir === undefined) === (run === undefined))
    return refuse('usage', {
      why:
        run === undefined
          ? 'name the folder to grow, or a run with --from-run'
          : 'name either a folder or a run, not both',
    });
  return resolve(dir ?? run!);
}
