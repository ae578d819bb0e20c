/** @file The Python packages with the CUDA provider and CUDA's libraries, and which of their files are installed. */

/** The package with the CUDA provider. Its version is exactly that of onnxruntime-node. */
export const providerPackage = 'onnxruntime-gpu';

/** The shared libraries that the CUDA provider loads, and the package of each. */
export const cudaLibraries = [
  { name: 'libcudart.so.13', carrier: 'nvidia-cuda-runtime' },
  { name: 'libcublasLt.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcublas.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcurand.so.10', carrier: 'nvidia-curand' },
  { name: 'libcufft.so.12', carrier: 'nvidia-cufft' },
  { name: 'libcudnn.so.9', carrier: 'nvidia-cudnn-cu13' },
] as const;

/** The driver's own library. No package has it; it is installed with the driver. */
export const driverLibrary = 'libcuda.so.1';

/** The packages of the CUDA libraries, each once. */
export const cudaPackages: readonly string[] = [...new Set(cudaLibraries.map((l) => l.carrier))];

/**
 * The versions of a package with the needed library, such as `13.*`: the major version is that in the
 * library's name. cudart and cublas have CUDA's version; curand, cufft and cudnn have their own.
 */
export function getCudaVersionPattern(carrier: string): string {
  const { name } = cudaLibraries.find((library) => library.carrier === carrier)!;
  return `${name.split('.so.')[1]!}.*`;
}

/** ONNX Runtime's own library, which looks for its providers in its own folder. */
export const runtimeLibrary = 'libonnxruntime.so.1';

/** The file name under which a file of a wheel is installed; undefined when it is not installed. */
export function getInstalledName(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const isProvider = /^onnxruntime\/capi\/libonnxruntime_providers_(cuda|shared)\.so$/.test(path);
  const isCudaLibrary =
    /^nvidia\/.*\/lib\/lib(cudart|cublas|cublasLt|curand|cufft|cudnn\w*)\.so(\.\d+)*$/.test(path);
  return isProvider || isCudaLibrary ? name : undefined;
}

export interface WheelName {
  /** In lower case, with dashes. */
  readonly name: string;
  readonly version: string;
  readonly platform: string;
}

/** Parses `onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl`; undefined for any other name. */
export function parseWheelName(file: string): WheelName | undefined {
  const found = /^([A-Za-z0-9_.]+)-([0-9][^-]*)(?:-\d[^-]*)?-[^-]+-[^-]+-([^-]+)\.whl$/.exec(file);
  if (!found) return undefined;
  const [, name, version, platform] = found;
  return { name: name!.toLowerCase().replace(/[_.]+/g, '-'), version: version!, platform: platform! };
}

/** True when the platform tag of a wheel is Linux on this processor architecture. */
export const isPlatformCompatible = (platform: string, arch: string): boolean =>
  platform.startsWith('manylinux') && platform.endsWith(arch === 'arm64' ? 'aarch64' : 'x86_64');
