/** @file cambium verify: compares a grown checkpoint with its source. */
import { basename, resolve } from 'node:path';
import { deviceChoices } from '../../../base/device.ts';
import { refuse } from '../../../base/errors.ts';
import { formatBytes, formatInteger } from '../../../base/format.ts';
import type { Certificate, CertificateText, CertifyProgress } from '../../../contract/schema.ts';
import { formatReport } from '../../../service/catalog.ts';
import { readChoice, refuseUsage } from '../arguments.ts';
import {
  addCertificateTextFlags,
  readCertificateText,
  checkReportFile,
  reportFormatOf,
  writeReportFile,
} from '../certificate-flags.ts';
import { deviceFlag, getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { describeCertificate } from '../growth-text.ts';
import { exits, type Output } from '../output.ts';
import { addFormerFlag } from '../setting-flags.ts';
import { verifyAgainstTransformers } from './verify-transformers.ts';

const help = `
With --against transformers, the logits of Cambium are compared with those of the real library on the same
tokens, for one folder or for source and grown checkpoint. This finds errors that a comparison of source and
grown model cannot see, because both are read alike. It needs a Python with torch and transformers.

Exit codes: 0 what the plan promised was measured, or nothing was promised; 3 it was not, or transformers
computes other logits; 1 failed.

Examples:
  cambium verify ./model ./grown
  cambium verify ./model ./grown --data corpus.txt --tokens 1M --report certificate.html
  cambium verify ./model ./grown --data ./held-out --save --json
  cambium verify ./model --against transformers --python ./venv/bin/python
  cambium verify ./grown --against transformers --export`;

export const verify: AddCommand = (program, run) => {
  const command = program
    .command('verify')
    .argument('<source>', 'folder of the source; with --against also the only folder')
    .argument('[grown]', 'folder of the grown checkpoint')
    .description(
      'compare the logits, losses and probabilities of a grown checkpoint with those of its source',
    );
  addCertificateTextFlags(command)
    .option('--report <file>', 'write the certificate as a web page (.html) or as .json; it must not exist')
    .option('--save', 'store the certificate in growth.json of the grown checkpoint')
    .option('--against <library>', 'compare with another library: transformers')
    .option('--export', 'with --against: let it read a copy that Cambium writes')
    .option(
      '--python <path>',
      'with --against: the Python to use (default: CAMBIUM_PYTHON, or the first one found)',
    )
    .option('--timeout <minutes>', 'with --against: how long Python may take', '30')
    .option(...deviceFlag)
    .option(...jsonFlag)
    .addHelpText('after', help);
  addFormerFlag(command, 'text');
  command.action(
    run(
      async (context, source, grown) => {
        const { api, out, options, signal } = context;
        if (options['against'] !== undefined) {
          readChoice('--against', String(options['against']), ['transformers']);
          return verifyAgainstTransformers(context, grown === undefined ? [source!] : [source!, grown]);
        }
        if (grown === undefined)
          refuseUsage('give the source and the grown checkpoint, or --against transformers');
        const report = getText(options['report']);
        if (report !== undefined) checkReportFile(report);
        const text = readText(options);
        const request = {
          source: resolve(source!),
          grown: resolve(grown),
          device: readChoice('--device', String(options['device']), deviceChoices),
          save: options['save'] === true,
          ...(text ? { text } : {}),
        };
        let certificate: Certificate | undefined;
        for await (const event of api.certify(request, signal)) {
          if (event.type === 'progress') showCertifying(event, out);
          else ({ certificate } = event);
        }
        if (!certificate) return refuse('engine/crashed', { how: 'it ended without a result', lines: '' });
        if (report !== undefined) await writeReport(report, certificate, request);
        const note = report === undefined ? '' : `\nReport: ${report}`;
        out.result(certificate, describeCertificate(certificate) + note);
        return exitOf(certificate);
      },
      ({ against }) => (against === undefined ? undefined : '--against runs Python on this computer'),
    ),
  );
};

const writeReport = (
  path: string,
  certificate: Certificate,
  { source, grown }: { readonly source: string; readonly grown: string },
): Promise<void> => {
  const subject = { source: basename(source), grown: basename(grown) };
  return writeReportFile(path, formatReport(certificate, subject, reportFormatOf(path)));
};

/** The text to compare on. The last release had --text for one file. */
function readText(options: Options): CertificateText | undefined {
  const former = getText(options['text']);
  if (former === undefined) return readCertificateText(options);
  if (options['data'] !== undefined) refuseUsage('--data and --text are the same setting; give only --data');
  return readCertificateText({ ...options, data: [former] });
}

/** The progress of a comparison: bytes of text, then tokens. */
export function showCertifying({ what, done, of }: CertifyProgress, out: Output): void {
  if (what === 'tokenizing') out.progress('Tokenizing the text', done, of, formatBytes(done));
  else out.progress('Comparing', done, of, `${formatInteger(done)} of ${formatInteger(of)} tokens`);
}

export const exitOf = ({ verdict }: Certificate): number =>
  verdict === 'failed' ? exits.notProven : exits.ok;
