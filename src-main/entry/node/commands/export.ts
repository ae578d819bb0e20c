/** @file cambium export: writes the weights of a run as a Hugging Face folder, an ONNX file or a GGUF file. */
import { resolve } from 'node:path';
import { formatBytes, formatNumber } from '../../../base/format.ts';
import { refuse } from '../../../base/errors.ts';
import { exportFormat, ggufType } from '../../../contract/schema.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand } from '../command.ts';
import { followJob } from '../follow.ts';
import { outputDTypes } from '../growth-flags.ts';
import { formatNotes } from '../output.ts';
import { toRunId } from './runs.ts';

const formats = exportFormat.options;
const ggufTypes = ggufType.options;
const weightsKinds = ['raw', 'ema', 'average'] as const;

const examples = `
Examples:
  cambium export ./run --out ./trained
  cambium export ./run --out ./small --dtype bfloat16
  cambium export ./run --out ./best --step 400
  cambium export ./run --out ./averaged --weights ema
  cambium export ./run --out ./fast --format onnx
  cambium export ./run --out ./chat --format gguf --type q8_0`;

export const exportRun: AddCommand = (program, run) => {
  program
    .command('export')
    .argument(
      '<run>',
      'folder or name of the run; with --format onnx or gguf also the folder of a checkpoint',
    )
    .description(
      'write the newest weights of a run, or those of --step, as a Hugging Face folder, an ONNX file with a KV ' +
        'cache, or a GGUF file for llama.cpp; the result is read back and compared',
    )
    .requiredOption('--out <dir>', 'the folder to create; it must not exist')
    .option(
      '--format <format>',
      `${formats.join(', ')}: a folder for transformers, model.onnx for onnxruntime, or a file for llama.cpp`,
      'safetensors',
    )
    .option(
      '--type <type>',
      `with --format gguf, the type of the weights: ${ggufTypes.join(', ')} (default: f16)`,
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
        const type = getText(options['type']);
        const format = readChoice('--format', String(options['format']), formats);
        if (type !== undefined && format !== 'gguf')
          refuse('usage', { why: '--type is the type of a GGUF file; use --dtype, or --format gguf' });
        if (format === 'gguf' && options['dtype'] !== 'keep')
          refuse('usage', { why: '--dtype does not apply to a GGUF file; use --type' });
        const job = await api.startExport({
          run: toRunId(id!),
          out: resolve(String(options['out'])),
          dtype: readChoice('--dtype', String(options['dtype']), outputDTypes),
          weights: readChoice('--weights', String(options['weights']), weightsKinds),
          format,
          ...(type === undefined ? {} : { ggufType: readChoice('--type', type, ggufTypes) }),
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
