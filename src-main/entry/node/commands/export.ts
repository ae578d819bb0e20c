/** @file cambium export: writes the weights of a run as a Hugging Face folder or an ONNX file. */
import { resolve } from 'node:path';
import { formatBytes, formatNumber } from '../../../base/format.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand } from '../command.ts';
import { followJob } from '../follow.ts';
import { outputDTypes } from '../growth-flags.ts';
import { formatNotes } from '../output.ts';
import { toRunId } from './runs.ts';

const formats = ['safetensors', 'onnx'] as const;
const weightsKinds = ['raw', 'ema', 'average'] as const;

const examples = `
Examples:
  cambium export ./run --out ./trained
  cambium export ./run --out ./small --dtype bfloat16
  cambium export ./run --out ./best --step 400
  cambium export ./run --out ./averaged --weights ema
  cambium export ./run --out ./fast --format onnx`;

export const exportRun: AddCommand = (program, run) => {
  program
    .command('export')
    .argument('<run>', 'folder or name of the run; with --format onnx also the folder of a checkpoint')
    .description(
      'write the newest weights of a run, or those of --step, as a Hugging Face folder, or as an ONNX file with a ' +
        'KV cache; ' +
        'the result is read back and compared',
    )
    .requiredOption('--out <dir>', 'the folder to create; it must not exist')
    .option(
      '--format <format>',
      `${formats.join(', ')}: a folder for transformers, or model.onnx for inference with onnxruntime`,
      'safetensors',
    )
    .option('--dtype <dtype>', `type of the weights: ${outputDTypes.join(', ')}`, 'keep')
    .option(
      '--weights <weights>',
      `${weightsKinds.join(', ')}: the weights, their moving average, or the average of the newest checkpoints`,
      'raw',
    )
    .option(
      '--step <step>',
      'the saved step to export; `cambium checkpoints` lists them (default: the newest)',
    )
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(async ({ api, out, options, signal }, id) => {
        const step = getText(options['step']);
        const job = await api.startExport({
          run: toRunId(id!),
          out: resolve(String(options['out'])),
          dtype: readChoice('--dtype', String(options['dtype']), outputDTypes),
          weights: readChoice('--weights', String(options['weights']), weightsKinds),
          format: readChoice('--format', String(options['format']), formats),
          ...(step === undefined ? {} : { step: readWhole('--step', step) }),
        });
        const done = await followJob(api, job, api.followExport({ id: job.id }), signal, (event) => {
          if (event.type === 'tensor') {
            const { tensors, ofTensors } = event;
            out.progress('Exporting', tensors, ofTensors, `${tensors}/${ofTensors} weights`);
          }
          if (event.type === 'comparing') out.note('Reading the export back and comparing it');
          return event.type === 'done' ? event : undefined;
        });
        const size = `${formatBytes(done.bytes)} in ${done.files.length} files`;
        const check = `read back, largest |Δlogit| ${formatNumber(done.maxLogit, 2)}`;
        const exported = `Exported to ${done.dir}: ${size}; ${check}`;
        out.result(done, [exported, ...formatNotes(done.notes)].join('\n'));
        return undefined;
      }),
    );
};
