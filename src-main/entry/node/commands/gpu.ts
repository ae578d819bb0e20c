/** @file cambium gpu: brings the CUDA provider, says what is there and what is missing, takes it away. */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { showBytes } from '../../../base/units.ts';
import type { GpuInstall, GpuStatus } from '../../../contract/gpu.ts';
import type { Service } from '../../../contract/service.ts';
import { cudaPackages, cudaVersions, providerPackage } from '../../../service/choices.ts';
import { collect, text, texts, type AddCommand } from '../command.ts';
import { exits, type Output } from '../output.ts';
import { fetchWheels } from '../pip.ts';

export const gpu: AddCommand = (program, run) => {
  const command = program
    .command('gpu')
    .description('the CUDA provider for NVIDIA GPUs: install it, look at it, remove it');
  command
    .command('status', { isDefault: true })
    .description("say what is installed, and which of NVIDIA's libraries are found")
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 everything is there, 1 something is missing.\n\nExamples:\n  cambium gpu status',
    )
    .action(
      run(async ({ api, out }) => {
        const status = await api.gpu({});
        out.result(status, describeGpu(status));
        return isComplete(status) ? exits.ok : exits.failed;
      }),
    );
  command
    .command('install')
    .description(
      "bring the CUDA provider of the very version of ONNX Runtime that Cambium uses, with pip or uv, into Cambium's own folder",
    )
    .option(
      '--cuda',
      "NVIDIA's CUDA libraries and cuDNN too (about 2 GB), for a computer without a CUDA 13 toolkit",
    )
    .option('--from <file>', 'a wheel that is here already; may be repeated', collect)
    .option('--index <url>', 'fetch from this package index instead of through pip')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      `\nPackages: ${providerPackage} (of the version that cambium gpu status names); with --cuda ${cudaPackages.map((name) => `${name} ${cudaVersions(name)}`).join(', ')}.\n\nExamples:\n  cambium gpu install\n  cambium gpu install --cuda\n  cambium gpu install --from onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl`,
    )
    .action(
      run(
        async ({ api, out, options, signal }) => {
          const files = texts(options['from']).map((file) => resolve(file));
          const index = text(options['index']);
          const cuda = options['cuda'] === true;
          if (files.length > 0 && index !== undefined)
            refuse('usage', { why: 'give --from or --index, not both' });
          const brought =
            files.length === 0 && index === undefined ? await fetched(api, cuda, out, signal) : [];
          const request: GpuInstall =
            index === undefined ? { files: [...files, ...brought], cuda } : { index, cuda };
          let status: GpuStatus | undefined;
          for await (const event of api.installGpu(request, signal)) {
            if (event.at === 'done') ({ status } = event);
            else
              out.progress(
                event.at === 'downloading' ? 'Downloading' : 'Unpacking',
                event.done,
                event.of,
                `${event.what}, ${showBytes(event.done)}`,
              );
          }
          for (const wheel of brought) await rm(wheel, { force: true });
          out.result(status, describeGpu(status!));
          return exits.ok;
        },
        (options) =>
          text(options['index']) === undefined
            ? 'the installation takes its wheels from this computer unless --index is given'
            : undefined,
      ),
    );
  command
    .command('remove')
    .description('take it away again')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium gpu remove')
    .action(
      run(async ({ api, out }) => {
        const { removed } = await api.removeGpu({});
        out.result({ removed }, removed ? 'The CUDA provider is removed' : 'No CUDA provider was installed');
        return exits.ok;
      }),
    );
};

/** Wheels brought by pip or uv. */
async function fetched(
  api: Service,
  cuda: boolean,
  out: Output,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { possible, needed } = await api.gpu({});
  const { home, platform } = await api.about({});
  if (!possible) refuse('gpu/platform', { platform });
  const folder = join(home, 'cache', 'wheels');
  await mkdir(folder, { recursive: true });
  out.note(`Fetching ${providerPackage} ${needed}${cuda ? " and NVIDIA's libraries" : ''} with pip`);
  return fetchWheels(
    [
      `${providerPackage}==${needed}`,
      ...(cuda ? cudaPackages.map((name) => `${name}==${cudaVersions(name)}`) : []),
    ],
    folder,
    {
      signal,
      say: (line) => {
        if (/^(Downloading|Saved)/.test(line)) out.note(line);
      },
    },
  );
}

const isComplete = ({ installed, libraries }: GpuStatus): boolean =>
  installed?.current === true && libraries.every((l) => l.found);

/** A status in words, with what mends it. */
function describeGpu({ possible, needed, folder, installed, libraries, packages }: GpuStatus): string {
  if (!possible) return 'The CUDA provider is not made for this computer; its GPU is used through WebGPU';
  const bytes = installed?.files.reduce((n, f) => n + f.bytes, 0) ?? 0;
  return [
    !installed
      ? `CUDA provider   not installed; ONNX Runtime ${needed} needs its own\n  → cambium gpu install`
      : installed.current
        ? `CUDA provider   ${installed.runtime}, ${showBytes(bytes)} in ${folder}`
        : `CUDA provider   ${installed.runtime} in ${folder}, but ${needed} is needed, or files are missing\n  → cambium gpu install`,
    ...libraries.map(
      ({ name, found, carrier }) =>
        `${found ? '✓' : '✗'} ${name.padEnd(18)}${found ? 'found' : carrier === null ? 'not found: it comes with the NVIDIA driver' : `not found: in the package ${carrier}`}`,
    ),
    ...(packages.length > 0 ? ['  → cambium gpu install --cuda'] : []),
  ].join('\n');
}
