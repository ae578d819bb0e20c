/** @file cambium gpu: status, installation and removal of the CUDA provider. */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/format.ts';
import {
  missingLibraries,
  type GpuInstall,
  type GpuStatus,
  type NativeLibrary,
} from '../../../contract/gpu.ts';
import { cudaPackages, getCudaVersionPattern, providerPackage } from '../../../service/catalog.ts';
import { refuseUsage } from '../arguments.ts';
import { collect, getText, getTexts, jsonFlag, type AddCommand, type Context } from '../command.ts';
import { exits } from '../output.ts';
import { downloadWheels } from '../pip.ts';

const cudaRequirements = cudaPackages.map((name) => `${name} ${getCudaVersionPattern(name)}`).join(', ');

const installHelp = `
Packages: ${providerPackage} (in the version that cambium gpu status names); with --cuda ${cudaRequirements}.

Examples:
  cambium gpu install
  cambium gpu install --cuda
  cambium gpu install --from onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl`;

export const gpu: AddCommand = (program, run) => {
  const command = program
    .command('gpu')
    .description('install, show or remove the CUDA provider for NVIDIA GPUs');
  command
    .command('status', { isDefault: true })
    .description('show what is installed, and which NVIDIA libraries are found')
    .option(...jsonFlag)
    .addHelpText(
      'after',
      '\nExit codes: 0 everything is there, 1 something is missing.\n\nExamples:\n  cambium gpu status',
    )
    .action(
      run(async ({ api, out }) => {
        const status = await api.gpuStatus({});
        out.result(status, describeStatus(status));
        return isComplete(status) ? exits.ok : exits.failed;
      }),
    );
  command
    .command('install')
    .description(
      'install the CUDA provider for the version of ONNX Runtime that Cambium uses, with pip or uv, ' +
        'into the folder of Cambium',
    )
    .option(
      '--cuda',
      'also install the CUDA libraries and cuDNN (about 2 GB), for a computer without a CUDA 13 toolkit',
    )
    .option('--from <file>', 'a local wheel; may be repeated', collect)
    .option('--index <url>', 'download from this package index instead of with pip')
    .option(...jsonFlag)
    .addHelpText('after', installHelp)
    .action(
      run(install, ({ index }) =>
        getText(index) === undefined
          ? 'the installation takes its wheels from this computer unless --index is given'
          : undefined,
      ),
    );
  command
    .command('remove')
    .description('remove the CUDA provider')
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  cambium gpu remove')
    .action(
      run(async ({ api, out }) => {
        const { removed } = await api.removeGpu({});
        out.result({ removed }, removed ? 'The CUDA provider is removed' : 'No CUDA provider was installed');
        return exits.ok;
      }),
    );
};

async function install(context: Context): Promise<number> {
  const { api, out, options, signal } = context;
  const files = getTexts(options['from']).map((file) => resolve(file));
  const index = getText(options['index']);
  const cuda = options['cuda'] === true;
  if (files.length > 0 && index !== undefined) refuseUsage('give --from or --index, not both');
  const usesPip = files.length === 0 && index === undefined;
  const downloaded = usesPip ? await downloadWithPip(context, cuda) : [];
  const request: GpuInstall =
    index === undefined ? { files: [...files, ...downloaded], cuda } : { index, cuda };
  let status: GpuStatus | undefined;
  for await (const event of api.installGpu(request, signal)) {
    if (event.type === 'done') {
      ({ status } = event);
      continue;
    }
    const label = event.type === 'downloading' ? 'Downloading' : 'Unpacking';
    out.progress(label, event.done, event.of, `${event.what}, ${formatBytes(event.done)}`);
  }
  for (const wheel of downloaded) await rm(wheel, { force: true });
  out.result(status, describeStatus(status!));
  return exits.ok;
}

/** Downloads the wheels with pip or uv into the cache; returns their paths. */
async function downloadWithPip({ api, out, signal }: Context, cuda: boolean): Promise<readonly string[]> {
  const { possible, needed } = await api.gpuStatus({});
  const { home, platform } = await api.about({});
  if (!possible) refuse('gpu/platform', { platform });
  const folder = join(home, 'cache', 'wheels');
  await mkdir(folder, { recursive: true });
  out.note(`Downloading ${providerPackage} ${needed}${cuda ? ' and the CUDA libraries' : ''} with pip`);
  const libraries = cuda ? cudaPackages.map((name) => `${name}==${getCudaVersionPattern(name)}`) : [];
  return downloadWheels([`${providerPackage}==${needed}`, ...libraries], folder, {
    signal,
    onLine: (line) => {
      if (/^(Downloading|Saved)/.test(line)) out.note(line);
    },
  });
}

const isComplete = ({ installed, libraries }: GpuStatus): boolean =>
  installed?.current === true && missingLibraries(libraries).length === 0;

function describeStatus(status: GpuStatus): string {
  const { possible, libraries, packages } = status;
  if (!possible) return 'There is no CUDA provider for this computer; its GPU is used through WebGPU';
  return [
    ...describeProvider(status),
    ...libraries.map(describeLibrary),
    ...(packages.length > 0 ? ['  → cambium gpu install --cuda'] : []),
  ].join('\n');
}

function describeProvider({ installed, needed, folder }: GpuStatus): readonly string[] {
  const remedy = '  → cambium gpu install';
  if (!installed)
    return [`CUDA provider   not installed; ONNX Runtime ${needed} needs it for NVIDIA GPUs`, remedy];
  if (!installed.current) {
    const problem = `but ${needed} is needed, or files are missing`;
    return [`CUDA provider   ${installed.runtime} in ${folder}, ${problem}`, remedy];
  }
  const bytes = installed.files.reduce((n, file) => n + file.bytes, 0);
  return [`CUDA provider   ${installed.runtime}, ${formatBytes(bytes)} in ${folder}`];
}

function describeLibrary({ name, found, carrier, optional, why }: NativeLibrary): string {
  if (found) return `✓ ${name.padEnd(18)}found`;
  if (why !== undefined) return `✗ ${name.padEnd(18)}${why}`;
  if (optional === true) return `- ${name.padEnd(18)}not found; Cambium does not need it`;
  const origin = carrier === null ? 'part of the NVIDIA driver' : `in the package ${carrier}`;
  return `✗ ${name.padEnd(18)}not found: ${origin}`;
}
