/** @file cambium demo: the main job from end to end with nothing downloaded, and a report. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { demonstrate, type DemoResult } from '../../../service/demo.ts';
import { demoReport, findings } from '../../../service/demo-report.ts';
import { writeReport } from '../../../service/dependencies.ts';
import { readWhole } from '../arguments.ts';
import type { AddCommand } from '../command.ts';
import { table } from '../output.ts';

/** What `--json` answers: the numbers without the curves. */
const summary = (
  { plan, certificate, grown, random, sourceLoss, tokensToMatch, exported }: DemoResult,
  report: string,
): unknown => ({
  parameters: plan.parameters,
  certificate,
  sourceLoss,
  tokensToMatch,
  exported,
  report,
  grown: { first: grown.heldOut[0]!.loss, last: grown.heldOut.at(-1)!.loss },
  random: { first: random.heldOut[0]!.loss, last: random.heldOut.at(-1)!.loss },
});

export const demo: AddCommand = (program, run) => {
  program
    .command('demo')
    .description(
      'grow the built-in checkpoint, prove it, train it beside random weights, export it; a few minutes on two cores',
    )
    .option('--out <dir>', 'the folder to make', 'cambium-demo')
    .option('--tokens <n>', 'tokens each of the two models is trained on', '1.2M')
    .option('--seed <n>', 'of noise, random weights and batches', '0')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  npm run demo\n  cambium demo --out /tmp/demo --tokens 200k')
    .action(
      run(
        async ({ api, out, options, signal }) => {
          const dir = resolve(String(options['out']));
          const result = await demonstrate(
            api,
            {
              dir,
              tokens: readWhole('--tokens', String(options['tokens']), 1),
              seed: readWhole('--seed', String(options['seed'])),
            },
            {
              phase: (text) => {
                out.note(text);
              },
              progress: (label, done, of, more) => {
                out.progress(label, done, of, more);
              },
            },
            signal,
          );
          const report = await writeReport(dir, demoReport(result));
          out.result(
            summary(result, report),
            `\n${table([['', ''], ...findings(result)]).trim()}\n\nReport: ${pathToFileURL(report).href}`,
          );
          return undefined;
        },
        () => 'the demo writes its text and its report on this computer',
      ),
    );
};
