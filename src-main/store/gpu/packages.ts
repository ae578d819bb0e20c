/** @file The Python packages with the CUDA provider and CUDA's libraries, and which of their files are installed. */

/** The package with the CUDA provider. Its version is exactly that of onnxruntime-node. */
export const providerPackage = 'onnxruntime-gpu';

interface CudaLibrary {
  readonly name: string;
  /** The package that contains it. */
  readonly carrier: string;
  /** True if only operators that Cambium does not use need it. */
  readonly optional?: boolean;
}

/** The shared libraries that the CUDA provider loads. cuBLASLt compiles some of its kernels with NVRTC. */
export const cudaLibraries: readonly CudaLibrary[] = [
  { name: 'libcudart.so.13', carrier: 'nvidia-cuda-runtime' },
  { name: 'libnvrtc.so.13', carrier: 'nvidia-cuda-nvrtc' },
  { name: 'libcublasLt.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcublas.so.13', carrier: 'nvidia-cublas' },
  { name: 'libcurand.so.10', carrier: 'nvidia-curand' },
  { name: 'libcudnn.so.9', carrier: 'nvidia-cudnn-cu13' },
  { name: 'libcufft.so.12', carrier: 'nvidia-cufft', optional: true },
];

/** The driver's own library. No package has it; it is installed with the driver. */
export const driverLibrary = 'libcuda.so.1';

/** The CUDA version that the driver must support at least, as cuDriverGetVersion reports it: 1000 · major. */
export const neededCuda = 13_000;
/** The first driver that supports `neededCuda`. */
export const neededDriver = '580';

const packagesOf = (libraries: readonly CudaLibrary[]): readonly string[] => [
  ...new Set(libraries.map((library) => library.carrier)),
];

/** The packages that are installed with CUDA's libraries, each once. */
export const cudaPackages = packagesOf(cudaLibraries.filter((library) => library.optional !== true));

/** The packages whose wheels can be installed. */
export const acceptedPackages: readonly string[] = [providerPackage, ...packagesOf(cudaLibraries)];

/**
 * The versions of a package with the needed library, such as `13.*`: the major version is that in the
 * library's name. cudart, nvrtc and cublas have CUDA's version; curand, cufft and cudnn have their own.
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
    /^nvidia\/.*\/lib\/lib(cudart|nvrtc(-builtins)?|cublas|cublasLt|curand|cufft|cudnn\w*)\.so(\.\d+)*$/.test(
      path,
    );
  return isProvider || isCudaLibrary ? name : undefined;
}

export interface WheelName {
  /** In lower case, with dashes. */
  readonly name: string;
  readonly version: string;
  readonly platform: string;
}

/**
 * Parses `onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl`. Returns undefined for any other name,
 * such as a path.
 */
export function parseWheelName(file: string): WheelName | undefined {
  const found = /^([\w.]+)-(\d[\w.+!]*)(?:-\d\w*)?-[\w.]+-[\w.]+-([\w.]+)\.whl$/.exec(file);
  if (!found) return undefined;
  const [, name, version, platform] = found;
  return { name: name!.toLowerCase().replace(/[_.]+/g, '-'), version: version!, platform: platform! };
}

/** True when the platform tag of a wheel is Linux on this processor architecture. */
export const isPlatformCompatible = (platform: string, arch: string): boolean =>
  platform.startsWith('manylinux') && platform.endsWith(arch === 'arm64' ? 'aarch64' : 'x86_64');
