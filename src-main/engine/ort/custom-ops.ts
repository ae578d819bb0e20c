/**
 * @file Operators of ONNX Runtime that are written in TypeScript: `OrtCustomOp`, whose entries are callbacks. ONNX
 * Runtime calls them from its own threads; koffi runs them on the thread of JavaScript meanwhile.
 */
import koffi from 'koffi';
import { describeError, toErrorData } from '../../base/errors.ts';
import { dtypes, type DType } from '../../tensor/dtype.ts';
import { api, getPointer, outParameter } from './api.ts';
import type { Pointer } from './library.ts';

export interface CustomOpType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An operator of a model, for inputs and outputs of one type and shape. */
export interface CustomOp {
  /** Its name in the model. */
  readonly name: string;
  readonly inputs: readonly CustomOpType[];
  readonly outputs: readonly CustomOpType[];
  /**
   * Adds its work to the stream, given the addresses of the inputs and then the outputs in device memory: the same
   * array at each call. It runs within a run of the session, so it must not wait.
   */
  compute(addresses: BigUint64Array, stream: Pointer | null): void;
}

/** The version of `OrtCustomOp` that `entriesOf` lists. */
const structVersion = 24;
const provider = 'CUDAExecutionProvider';
/** OrtErrorCode ORT_FAIL. */
const failed = 1;

/** Memory and callbacks that ONNX Runtime refers to. They live as long as the process. */
const kept: unknown[] = [];

function keepText(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  kept.push(bytes);
  return bytes;
}

type Callback = (...args: never[]) => unknown;

function register(result: string, argTypes: readonly string[], callback: Callback): Pointer {
  const type = koffi.pointer(koffi.proto(`cambium_custom_op_${kept.length}`, result, [...argTypes]));
  const registered = koffi.register(callback as never, type);
  kept.push(registered, callback);
  return koffi.address(registered);
}

interface Registered extends CustomOp {
  readonly nameText: Buffer;
  readonly shapes: readonly BigInt64Array[];
  readonly addresses: BigUint64Array;
}

/** By the address of the native struct. */
const registered = new Map<Pointer, Registered>();
const opAt = (address: Pointer): Registered => registered.get(BigInt(address))!;

let entries: readonly (Pointer | null)[] | undefined;

/** The entries of `struct OrtCustomOp` (onnxruntime_c_api.h), the same for every operator. */
function entriesOf(): readonly (Pointer | null)[] {
  if (entries) return entries;
  const op = ['void *'];
  const indexed = ['void *', 'size_t'];
  const providerText = keepText(provider);
  const isRequired = register('int', indexed, () => 0);
  const one = register('int', op, () => 1);
  const typeOf = (of: 'inputs' | 'outputs'): Pointer =>
    register(
      'int',
      indexed,
      (address: Pointer, i: number) => dtypes[opAt(address)[of][Number(i)]!.dtype].onnx,
    );
  const countOf = (of: 'inputs' | 'outputs'): Pointer =>
    register('size_t', op, (address: Pointer) => opAt(address)[of].length);
  entries = [
    register('void *', ['void *', 'void *', 'void *'], () => null), // CreateKernel, before version 16
    register('void *', op, (address: Pointer) => opAt(address).nameText), // GetName
    register('void *', op, () => providerText), // GetExecutionProviderType
    typeOf('inputs'),
    countOf('inputs'),
    typeOf('outputs'),
    countOf('outputs'),
    register('void', ['void *', 'void *'], () => undefined), // KernelCompute, before version 16
    register('void', op, () => undefined), // KernelDestroy
    isRequired, // GetInputCharacteristic
    isRequired, // GetOutputCharacteristic
    isRequired, // GetInputMemoryType: in device memory
    one, // GetVariadicInputMinArity
    one, // GetVariadicInputHomogeneity
    one, // GetVariadicOutputMinArity
    one, // GetVariadicOutputHomogeneity
    // CreateKernelV2: the operator is its own kernel.
    register(
      'void *',
      ['void *', 'void *', 'void *', 'void *'],
      (address: Pointer, _api, _info, out: Pointer) => {
        koffi.encode(out, 'void *', address);
        return null;
      },
    ),
    register('void *', ['void *', 'void *'], computeKernel), // KernelComputeV2
    null, // InferOutputShapeFn: the model lists the types
    one, // GetStartVersion
    register('int', op, () => 1000), // GetEndVersion
    null, // GetMayInplace
    null, // ReleaseMayInplace
    null, // GetAliasMap
    null, // ReleaseAliasMap
  ];
  return entries;
}

/** KernelComputeV2: returns an OrtStatus, null if all went well. */
function computeKernel(kernel: Pointer, context: Pointer): Pointer | null {
  try {
    const { inputs, outputs, shapes, addresses, compute } = opAt(kernel);
    const value = outParameter();
    const address = outParameter();
    for (let i = 0; i < addresses.length; i++) {
      const output = i - inputs.length;
      if (output < 0) api().KernelContext_GetInput(context, i, value);
      else
        api().KernelContext_GetOutput(context, output, shapes[output]!, outputs[output]!.shape.length, value);
      api().GetTensorMutableData(value[0]!, address);
      addresses[i] = address[0]!;
    }
    api().KernelContext_GetGPUComputeStream(context, value);
    compute(addresses, value[0]!);
    return null;
  } catch (error) {
    return api().CreateStatus(failed, describeError(toErrorData(error)).join('. '));
  }
}

/** The native struct of an operator: its version, and its entries. */
function createStruct(op: CustomOp): Buffer {
  const list = entriesOf();
  const struct = Buffer.alloc(8 + 8 * list.length);
  struct.writeUInt32LE(structVersion, 0);
  list.forEach((address, i) => {
    if (address !== null) struct.writeBigUInt64LE(address, 8 + 8 * i);
  });
  kept.push(struct);
  registered.set(koffi.address(struct), {
    ...op,
    nameText: keepText(op.name),
    shapes: op.outputs.map(({ shape }) => BigInt64Array.from(shape.length > 0 ? shape : [1], BigInt)),
    addresses: new BigUint64Array(op.inputs.length + op.outputs.length),
  });
  return struct;
}

/** Adds operators of a domain to the options of a session. */
export function addCustomOps(settings: Pointer, domain: string, ops: readonly CustomOp[]): void {
  if (ops.length === 0) return;
  const native = getPointer((out) => {
    api().CreateCustomOpDomain(domain, out);
  });
  for (const op of ops) api().CustomOpDomain_Add(native, createStruct(op));
  api().AddCustomOpDomain(settings, native);
}
