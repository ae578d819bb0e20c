/**
 * @file cambium export: a run's newest weights as a Hugging Face folder or an ONNX file, read back and
 * compared before it is called done.
 */
import { resolve } from 'node:path';
import { showBytes } from '../../../base/units.ts';
import { readChoice } from '../arguments.ts';
import type { AddCommand } from '../command.ts';
import { followJob } from '../following.ts';
import { dtypes } from '../growing.ts';
import { runGiven } from './runs.ts';

const formats = ['safetensors', 'onnx'] as const;
const weightsKinds = ['raw', 'ema', 'average'] as const;

export const exportRun: AddCommand = (program, run) => {
  program
    .command('export')
    .argument('<run>', "the run's folder or name; for ONNX also a checkpoint's folder")
    .description("write a run's newest weights as a Hugging Face folder, or as an ONNX file with a cache")
    .requiredOption('--out <dir>', 'the folder to make; it must not exist')
    .option(
      '--format <format>',
      `${formats.join(', ')}: a folder for transformers, or model.onnx for inference with onnxruntime`,
      'safetensors',
    )
    .option('--dtype <dtype>', dtypes.join(', '), 'keep')
    .option(
      '--weights <weights>',
      `${weightsKinds.join(', ')}: as they are, their moving average, or the mean of the newest checkpoints`,
      'raw',
    )
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium export ./run --out ./trained\n  cambium export ./run --out ./small --dtype bfloat16\n  cambium export ./run --out ./averaged --weights ema\n  cambium export ./run --out ./fast --format onnx',
    )
    .action(
      run(async ({ api, out, options, signal }, id) => {
        const job = await api.startExport({
          run: runGiven(id!),
          out: resolve(String(options['out'])),
          dtype: readChoice('--dtype', String(options['dtype']), dtypes),
          weights: readChoice('--weights', String(options['weights']), weightsKinds),
          format: readChoice('--format', String(options['format']), formats),
        });
        const done = await followJob(api, job, api.followExport({ id: job.id }), signal, (event) => {
          if (event.at === 'tensor')
            out.progress(
              'Exporting',
              event.tensors,
              event.ofTensors,
              `${event.tensors}/${event.ofTensors} weights`,
            );
          else if (event.at === 'comparing') out.note('Reading it back and comparing');
          return event.at === 'done' ? event : undefined;
        });
        out.result(
          done,
          `Exported to ${done.dir}: ${showBytes(done.bytes)} in ${done.files.length} files; read back, largest |Δlogit| ${done.maxLogit.toExponential(2)}`,
        );
        return undefined;
      }),
    );
};
