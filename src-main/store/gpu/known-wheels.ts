/**
 * @file SHA-256 of the wheels that this release was made with, by file name, as PyPI listed them on 2026-11-29: the
 * CUDA provider, and the newest libraries of NVIDIA. A package index cannot replace one of them.
 */

// prettier-ignore
export const knownWheels: Readonly<Record<string, string>> = {
  'nvidia_cublas-13.10.0.20-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl':
    'dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84',
  'nvidia_cublas-13.10.0.20-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl':
    'c5f3418c0a845232a8cabc58f6fa52cfae7d8bd3680d94c3907aca710fd48d70',
  'nvidia_cuda_nvrtc-13.5.37-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl':
    '86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc',
  'nvidia_cuda_nvrtc-13.5.37-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl':
    '36e4fa2a8ada293f5693d308e531c196ab6f91cf7a0ff479bf96a537d43a6096',
  'nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl':
    'de2dc5a7367974228b0a69588a9acc9340d3768bef1bf38bf0801eb08497cd2d',
  'nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl':
    'df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d',
  'nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_aarch64.whl':
    '759b6a4919951ed8ec603dec97b96f6a6396c8269b95b3d345526e2471fb433d',
  'nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_x86_64.whl':
    'a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec',
  'nvidia_cufft-12.5.0.14-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl':
    '091cde103312d6e09366122fe3f67092dcfd94cc9785029d695d6bcffaa76fdf',
  'nvidia_cufft-12.5.0.14-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl':
    'b8be26837a5abad2b5b74f3e92dd29f622a42934b355be0961a48712cbba23ad',
  'nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_aarch64.whl':
    '07c75d8ba14b627d1a01d2c1bfa1eece88f25d564d3aae7e6b6fb44f7bbec9c1',
  'nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_x86_64.whl':
    '22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529',
  'onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_28_x86_64.whl':
    '4fbf0c5d7b5fb99266c2e8a802e3e64af68bdc383e0f3c7349b985f1087eedaa',
  'onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_34_aarch64.whl':
    '6c70b83afd6bfcc34b4b58d6a41f8c439c96811bbb7fe9fb1d2c2c9dd9c881b5',
  'onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl':
    '6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1',
  'onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_34_aarch64.whl':
    '12af352b24145b3480794fcf327d313a240550e772a07fb182390872c1a642fc',
  'onnxruntime_gpu-1.30.0-cp313-cp313-manylinux_2_28_x86_64.whl':
    '9aba23f903f434cc55d851aeb801afee19e287c202f4ab8f59d02f04caa90aed',
  'onnxruntime_gpu-1.30.0-cp313-cp313-manylinux_2_34_aarch64.whl':
    '0c68878729527a28202af6c1b7ebc2fc5a687e9f6e02bfb8796e39d1fe775fd7',
  'onnxruntime_gpu-1.30.0-cp313-cp313t-manylinux_2_28_x86_64.whl':
    '675d519cab613bc42685ecb998f8e8e8c6d73143496681650d30ef14fedeade7',
  'onnxruntime_gpu-1.30.0-cp313-cp313t-manylinux_2_34_aarch64.whl':
    'c6df4b62538f98482dd5cebc91cba668c4b82156e872517c314a383c904a191d',
  'onnxruntime_gpu-1.30.0-cp314-cp314-manylinux_2_28_x86_64.whl':
    '5aacc98f394a13f4891c0a07e60479d8fb0b1ea6f3328b6b38cfc88f9dfb05ea',
  'onnxruntime_gpu-1.30.0-cp314-cp314-manylinux_2_34_aarch64.whl':
    '96cb15cff2f0dffaef3ae636560145d41be47bb73e3230113f2e946ca576014b',
  'onnxruntime_gpu-1.30.0-cp314-cp314t-manylinux_2_28_x86_64.whl':
    'a4dfbe80d4167ff5bc269f266778ee6d0eb771fd9f3c0c4d83757e7ae42fe3c8',
  'onnxruntime_gpu-1.30.0-cp314-cp314t-manylinux_2_34_aarch64.whl':
    '13d4cf97120882739da8572ba26e2a0f39caed4c69749a147d8f1a77f74a4690',
};
