import { describe, expect, it } from 'vitest';
import {
  acceptedPackages,
  cudaLibraries,
  cudaPackages,
  getInstalledName,
} from '../../../src-main/store/gpu/packages.ts';

describe('the files of a wheel', () => {
  it.each([
    ['onnxruntime/capi/libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_cuda.so'],
    ['nvidia/cu13/lib/libnvrtc.so.13', 'libnvrtc.so.13'],
    // NVRTC loads it when it compiles.
    ['nvidia/cu13/lib/libnvrtc-builtins.so.13.5', 'libnvrtc-builtins.so.13.5'],
    ['nvidia/cudnn/lib/libcudnn_graph.so.9', 'libcudnn_graph.so.9'],
    ['nvidia/cu13/lib/libcublasLt.so.13', 'libcublasLt.so.13'],
  ])('%s is installed as %s', (path, name) => {
    expect(getInstalledName(path)).toBe(name);
  });

  it.each([
    'nvidia/cu13/include/nvrtc.h',
    'onnxruntime/capi/libonnxruntime.so.1',
    'other/lib/libnvrtc.so.13',
  ])('%s is not installed', (path) => {
    expect(getInstalledName(path)).toBeUndefined();
  });

  it('include every library that the provider loads', () => {
    for (const { name } of cudaLibraries) expect(getInstalledName(`nvidia/x/lib/${name}`)).toBe(name);
  });
});

it('an optional library is accepted and not downloaded', () => {
  const optional = cudaLibraries.filter((library) => library.optional === true);
  expect(optional.map((library) => library.carrier)).toEqual(['nvidia-cufft']);
  for (const { carrier } of optional) {
    expect(acceptedPackages).toContain(carrier);
    expect(cudaPackages).not.toContain(carrier);
  }
});
