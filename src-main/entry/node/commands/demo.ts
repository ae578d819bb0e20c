/** @file cambium demo: grows, trains and exports the built-in checkpoint, and writes a report. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runDemo, type Curve, type DemoResult } from '../../../service/demo.ts';
import { renderDemoReport, summarizeDemo } from '../../../service/demo-report.ts';
import { writeReport } from '../../../service/dependencies.ts';
import { readWhole } from '../arguments.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';

export const demo: AddCommand = (program, run) => {
  program
    .command('demo')
    .description(
      'grow the built-in checkpoint, certify it, train it and random weights of the same size, export it; ' +
        'takes a few minutes on two cores',
    )
    .option('--out <dir>', 'the folder to create', 'cambium-demo')
    .option('--tokens <n>', 'training tokens for each of the two models', '1.2M')
    .option('--seed <n>', 'seed of noise, random weights and data order', '0')
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  npm run demo\n  cambium demo --out /tmp/demo --tokens 200k')
    .action(
      run(
        async ({ api, out, options, signal }) => {
          const dir = resolve(String(options['out']));
          const tokens = readWhole('--tokens', String(options['tokens']), 1);
          const seed = readWhole('--seed', String(options['seed']));
          const reporter = { phase: out.note, progress: out.progress };
          const result = await runDemo(api, { dir, tokens, seed }, reporter, signal);
          const report = await writeReport(dir, renderDemoReport(result));
          const rows = table([['', ''], ...summarizeDemo(result)]).trim();
          out.result(toJson(result, report), `\n${rows}\n\nReport: ${pathToFileURL(report).href}`);
          return undefined;
        },
        () => 'the demo writes its text and its report on this computer',
      ),
    );
};

/** The result without the curves. */
function toJson(result: DemoResult, report: string): unknown {
  const { plan, certificate, grown, random, sourceLoss, tokensToMatch, exported } = result;
  const ends = ({ heldOut }: Curve): unknown => ({ first: heldOut[0]!.loss, last: heldOut.at(-1)!.loss });
  return {
    parameters: plan.parameters,
    certificate,
    sourceLoss,
    tokensToMatch,
    exported,
    report,
    grown: ends(grown),
    random: ends(random),
  };
}
