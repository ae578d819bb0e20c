/**
 * @file What CUDA needs beside ONNX Runtime itself: which Python packages carry it, under which names, and
 * which of their files are taken.
 */

/** The package that carries the CUDA provider; its version is that of onnxruntime-node, to the digit. */
export const providerPackage = 'onnxruntime-gpu';

/**
 * Libraries that the CUDA provider asks the system for, by the name it asks with, and the package that
 * carries each (architecture.md 0.4).
 */
export const cudaLibraries = [
  { name: 'libcudart.so.13', carrier: 'nvidia-cuda-runtime' },
  { name: 'libcublasLt.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcublas.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcurand.so.10', carrier: 'nvidia-curand' },
  { name: 'libcufft.so.12', carrier: 'nvidia-cufft' },
  { name: 'libcudnn.so.9', carrier: 'nvidia-cudnn-cu13' },
] as const;

/** The driver's own library: it comes with the driver, never with a package. */
export const driverLibrary = 'libcuda.so.1';

/** Packages of the CUDA libraries, each once. */
export const cudaPackages: readonly string[] = [...new Set(cudaLibraries.map((l) => l.carrier))];

/**
 * The versions of such a package that hold what is asked for, as `13.*`: the first number of each is that of
 * its library's name
 * (cudart and cublas follow CUDA; curand, cufft and cudnn count for themselves, and cudnn has CUDA's number
 * in its package's name).
 */
export const cudaVersions = (carrier: string): string =>
  `${cudaLibraries.find((l) => l.carrier === carrier)!.name.split('.so.')[1]!}.*`;

/** The folder of the ONNX Runtime library that looks for its providers beside itself. */
export const runtimeLibrary = 'libonnxruntime.so.1';

/** The file name of a path inside a wheel that is to be installed; undefined for what is not. */
export function taken(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/^onnxruntime\/capi\/libonnxruntime_providers_(cuda|shared)\.so$/.test(path)) return name;
  return /^nvidia\/.*\/lib\/lib(cudart|cublas|cublasLt|curand|cufft|cudnn\w*)\.so(\.\d+)*$/.test(path)
    ? name
    : undefined;
}

/**
 * `onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl` as its parts; undefined for any other name.
 */
export function readWheelName(
  file: string,
): { readonly name: string; readonly version: string; readonly platform: string } | undefined {
  const found = /^([A-Za-z0-9_.]+)-([0-9][^-]*)(?:-\d[^-]*)?-[^-]+-[^-]+-([^-]+)\.whl$/.exec(file);
  return found
    ? { name: found[1]!.toLowerCase().replace(/[_.]+/g, '-'), version: found[2]!, platform: found[3]! }
    : undefined;
}

/** Whether a wheel's platform tag is that of this machine's processor under Linux. */
export const isForHere = (platform: string, arch: string): boolean =>
  platform.startsWith('manylinux') && platform.endsWith(arch === 'arm64' ? 'aarch64' : 'x86_64');
