/** @file cambium verify: compares a grown checkpoint with its source. */
import { resolve } from 'node:path';
import { deviceChoices } from '../../../base/device.ts';
import { readChoice } from '../arguments.ts';
import { deviceFlag, getText, jsonFlag, type AddCommand } from '../command.ts';
import { describeCertificate } from '../growth-text.ts';
import { exits } from '../output.ts';

const help = `
Exit codes: 0 proven, 3 not proven, 1 failed.

Examples:
  cambium verify ./model ./grown
  cambium verify ./model ./grown --text corpus.txt --json`;

export const verify: AddCommand = (program, run) => {
  program
    .command('verify')
    .argument('<source>', 'folder of the source')
    .argument('<grown>', 'folder of the grown checkpoint')
    .description('compare the logits of a grown checkpoint with those of its source')
    .option('--text <file>', 'text to compare on (default: tokens sampled from the source)')
    .option(...deviceFlag)
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async ({ api, out, options, signal }, source, grown) => {
        const text = getText(options['text']);
        const request = {
          source: resolve(source!),
          grown: resolve(grown!),
          device: readChoice('--device', String(options['device']), deviceChoices),
          ...(text === undefined ? {} : { text: resolve(text) }),
        };
        const certificate = await api.certify(request, signal);
        out.result(certificate, describeCertificate(certificate));
        return certificate.passed ? exits.ok : exits.notProven;
      }),
    );
};
