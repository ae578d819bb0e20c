/** @file cambium grow: grows a checkpoint, proves it, and says so. */
import { resolve } from 'node:path';
import { showBytes, showDuration } from '../../../base/units.ts';
import type { AddCommand } from '../command.ts';
import { readChoice } from '../arguments.ts';
import { devices, followJob } from '../following.ts';
import { describeCertificate, growthFlags, methodHelp, readGrowth } from '../growing.ts';
import { exits } from '../output.ts';

export const grow: AddCommand = (program, run) => {
  growthFlags(program.command('grow').argument('<dir>', 'folder of the checkpoint to grow'))
    .description('grow a checkpoint into a new folder and prove that it computes the same function')
    .requiredOption('--out <dir>', 'the folder to make; it must not exist')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', () => `${methodHelp()}\nExit codes: 0 grown and proven, 3 grown but not proven, 1 failed, 130 cancelled (nothing is left behind).\n\nExamples:\n  cambium grow ./model --method hypercloning --times hidden=2,ffn=2 --out ./grown\n  cambium grow ./model --method expand --to hidden=1024,heads=16 --out ./grown --device cpu`)
    .action(run(async ({ api, out, options, signal }, dir) => {
      const request = await readGrowth(api, dir!, options);
      const job = await api.startGrowth({ source: resolve(dir!), out: resolve(String(options['out'])), request, device: readChoice('--device', String(options['device']), devices) });
      const done = await followJob(api, job, api.followGrowth({ id: job.id }), signal, (event) => {
        if (event.at === 'tensor') out.progress('Growing', event.bytes, event.ofBytes, `${event.tensors}/${event.ofTensors} weights, ${showBytes(event.bytes)}`);
        else if (event.at === 'certifying') out.note('Comparing the grown model with its source');
        return event.at === 'done' ? event : undefined;
      });
      const { certificate } = done;
      out.result(done, `Grown into ${done.dir}: ${showBytes(done.bytes)} in ${showDuration(done.seconds)} on ${done.device}${certificate ? `\n${describeCertificate(certificate)}` : '\nNot proven: the checkpoint has no tokenizer to make text with'}`);
      return certificate && !certificate.passed ? exits.notProven : exits.ok;
    }));
};
