/** @file cambium verify: does a grown checkpoint compute what its source computes? */
import { resolve } from 'node:path';
import { readChoice } from '../arguments.ts';
import { text, type AddCommand } from '../command.ts';
import { devices } from '../following.ts';
import { describeCertificate } from '../growing.ts';
import { exits } from '../output.ts';

export const verify: AddCommand = (program, run) => {
  program
    .command('verify')
    .argument('<source>', 'folder of the source')
    .argument('<grown>', 'folder of the grown checkpoint')
    .description("compare the logits of a grown checkpoint with its source's")
    .option('--text <file>', 'text to compare on; by default the source writes its own')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 proven, 3 not proven, 1 failed.\n\nExamples:\n  cambium verify ./model ./grown\n  cambium verify ./model ./grown --text corpus.txt --json',
    )
    .action(
      run(async ({ api, out, options, signal }, source, grown) => {
        const file = text(options['text']);
        const certificate = await api.certify(
          {
            source: resolve(source!),
            grown: resolve(grown!),
            device: readChoice('--device', String(options['device']), devices),
            ...(file === undefined ? {} : { text: resolve(file) }),
          },
          signal,
        );
        out.result(certificate, describeCertificate(certificate));
        return certificate.passed ? exits.ok : exits.notProven;
      }),
    );
};
