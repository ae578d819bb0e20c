/** @file Encodes a graph as an ONNX model: onnx.proto3, IR version 10, operator set 21 or what its operators need. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { refuse } from '../base/errors.ts';
import { dtypes, downcast, type DType } from '../tensor/dtype.ts';
import {
  formatAttrs,
  nodesOf,
  type Attr,
  type Graph,
  type Node,
  type Op,
  type OpNode,
  type TensorType,
  type Value,
} from './graph.ts';
import * as proto from './onnx-proto.ts';
import { writeBytes, writeFloat, writeInt, writeMessage, writeString } from './onnx-proto.ts';
import { kernelNodesOf, type KernelNodes } from './kernel-nodes.ts';
import { noKernels, type KernelChoice } from './kernels.ts';
import { identity } from './ops/movement.ts';
import type { DynamicShape } from './passes/dynamic-axes.ts';
import { rewrite } from './passes/rewrite.ts';
import { lacksKernel, type Provider } from './providers.ts';

/** The elements of an initializer: little-endian bytes, or their range in a file next to the model. */
export type Initializer =
  Uint8Array | { readonly file: string; readonly offset: number; readonly bytes: number };

export interface OnnxOptions {
  /** The provider that runs the model. Operators it lacks are replaced by others. Default: `cpu`. */
  readonly provider?: Provider;
  /** The kernels of our own that the session has. Default: none. */
  readonly kernels?: KernelChoice;
  /** Inputs, by name, that become initializers. */
  readonly initializers?: Readonly<Record<string, Initializer>>;
  /** Shapes of the inputs and outputs, by name, that have dynamic axes. Default: their own shapes. */
  readonly dynamicShapes?: Readonly<Record<string, DynamicShape>>;
}

const irVersion = 10;
/** The operator set of a model whose operators need no newer one. */
const usualOpset = 21;
const producer = 'cambium';

/**
 * The bytes of the model. Equal graphs give equal bytes. Inputs and outputs keep their names; all other values
 * are numbered.
 */
export const encodeOnnxModel = (graph: Graph, options: OnnxOptions = {}): Uint8Array =>
  encodeWithKernels(graph, options).model;

/** A model, and the nodes that Cambium's own kernels compute, by the operator's name in the model. */
export interface KernelModel {
  readonly model: Uint8Array;
  readonly kernelNodes: KernelNodes;
}

/** `encodeOnnxModel` for a model that may have nodes of the domain `cambium`. */
export function encodeWithKernels(
  graph: Graph,
  { provider = 'cpu', kernels = noKernels, initializers = {}, dynamicShapes = {} }: OnnxOptions = {},
): KernelModel {
  const { inputs, outputs } = withDistinctOutputs(lowerGraph(graph, provider, kernels));
  const nodes = nodesOf(Object.values(outputs));
  const kernelNodes = kernelNodesOf(nodes);
  const names = new ValueNames(outputs);
  const domains = new Set<string>();
  const model = new BinaryWriter();
  writeInt(model, proto.modelFields.irVersion, irVersion);
  writeString(model, proto.modelFields.producer, producer);
  writeMessage(model, proto.modelFields.graph, (g) => {
    // The last node comes first: ONNX Runtime starts from the nodes whose outputs are unused and, of two, runs
    // the one that is later in the file first. In this order it runs the nodes in the order of creation.
    nodes.toReversed().forEach((node, i) => {
      const domain = writeNode(g, node, `${node.op.name}_${i}`, names, kernelNodes.names.get(node));
      if (domain) domains.add(domain);
    });
    writeString(g, proto.graphFields.name, producer);
    for (const [name, value] of names.constants) writeTensor(g, name, value, encodeConstant(value));
    for (const value of inputs) {
      const name = value.name!;
      const initializer = initializers[name];
      if (initializer) writeTensor(g, name, value, initializer);
      else writeValueInfo(g, proto.graphFields.input, name, value, dynamicShapes[name]);
    }
    for (const [name, value] of Object.entries(outputs)) {
      writeValueInfo(g, proto.graphFields.output, name, value, dynamicShapes[name]);
    }
    // ONNX Runtime cannot infer the types of our operators, and plans memory by them.
    for (const value of [...kernelNodes.names.keys()].flatMap((node) => node.outputs)) {
      const name = names.nameOf(value);
      if (!(name in outputs)) writeValueInfo(g, proto.graphFields.valueInfo, name, value);
    }
  });
  writeOpset(model, '', Math.max(usualOpset, ...nodes.map((node) => node.op.onnx?.(node).opset ?? 0)));
  for (const domain of domains) writeOpset(model, domain, 1);
  return { model: model.finish(), kernelNodes };
}

/** The kernel that ONNX Runtime runs for a node; undefined if ONNX has no such operator. */
export function kernelOf(op: Op, node: OpNode): string | undefined {
  return op.onnx === null ? undefined : (op.onnx?.(node).op ?? op.name);
}

/**
 * `graph` with every operator that ONNX or the provider lacks replaced by others, and those of our own kernels that
 * are not among `kernels`. Throws `graph/invalid` if an
 * operator has no replacement.
 */
export function lowerGraph(graph: Graph, provider: Provider, kernels: KernelChoice = noKernels): Graph {
  let hasChanged = false;
  const isAvailable = (node: Node, inputs: readonly Value[]): boolean => {
    if (node.op.kernel) return provider === 'cuda' && kernels.has(node.op.kernel);
    const kernel = kernelOf(node.op, { ...node, inputs });
    return kernel !== undefined && !lacksKernel(provider, kernel, inputs[0]?.dtype);
  };
  const lowered = rewrite(graph, (node, inputs) => {
    const { op, attrs } = node;
    if (isAvailable(node, inputs)) return undefined;
    hasChanged = true;
    return (
      op.lower?.(inputs, attrs) ??
      refuse('graph/invalid', {
        pass: `export for ${provider}`,
        node: `${op.name}${formatAttrs(attrs)}`,
        why: 'the provider has no such operator and it has no lowering',
      })
    );
  });
  // A replacement may itself use operators that the provider lacks.
  return hasChanged ? lowerGraph(lowered, provider, kernels) : lowered;
}

/** Gives outputs that are inputs, constants or equal to another output a node of their own. */
function withDistinctOutputs({ inputs, outputs }: Graph): Graph {
  const used = new Set<Value>();
  const distinct: Record<string, Value> = {};
  for (const [name, v] of Object.entries(outputs)) {
    const output = v.node && !used.has(v) ? v : identity(v);
    distinct[name] = output;
    used.add(output);
  }
  return { inputs, outputs: distinct };
}

/** Names of values: outputs and inputs have one, constants become `$n`, other values `%n`. */
class ValueNames {
  /** The constants that were named, in order. */
  readonly constants = new Map<string, Value>();
  private readonly constantNames = new Map<string, string>();
  private readonly names = new Map<Value, string>();

  constructor(outputs: Graph['outputs']) {
    for (const [name, v] of Object.entries(outputs)) this.names.set(v, name);
  }

  nameOf(v: Value): string {
    if (v.constant) {
      const name = this.constantNames.get(v.constant.key) ?? `$${this.constantNames.size}`;
      this.constantNames.set(v.constant.key, name);
      this.constants.set(name, v);
      return name;
    }
    const name = v.name ?? this.names.get(v) ?? `%${this.names.size}`;
    this.names.set(v, name);
    return name;
  }
}

/** Writes a node and returns the domain of its operator, unless that is ONNX's own. */
function writeNode(
  graph: BinaryWriter,
  node: Node,
  nodeName: string,
  names: ValueNames,
  kernelName: string | undefined,
): string | undefined {
  const { op, attrs, domain, inputs } = node.op.onnx?.(node) ?? {};
  writeMessage(graph, proto.graphFields.node, (n) => {
    for (const v of inputs ?? node.inputs) writeString(n, proto.nodeFields.input, names.nameOf(v));
    for (const v of node.outputs) writeString(n, proto.nodeFields.output, names.nameOf(v));
    writeString(n, proto.nodeFields.name, nodeName);
    writeString(n, proto.nodeFields.op, kernelName ?? op ?? node.op.name);
    for (const [key, value] of Object.entries(attrs ?? node.attrs)) writeAttribute(n, key, value);
    if (domain) writeString(n, proto.nodeFields.domain, domain);
  });
  return domain;
}

function writeAttribute(node: BinaryWriter, name: string, value: Attr | { readonly float: number }): void {
  const { attributeFields: fields, attributeTypes: types } = proto;
  writeMessage(node, proto.nodeFields.attribute, (a) => {
    writeString(a, fields.name, name);
    if (typeof value === 'string') {
      writeString(a, fields.string, value);
      writeInt(a, fields.type, types.string);
    } else if (typeof value === 'number' || typeof value === 'boolean') {
      writeInt(a, fields.int, Number(value));
      writeInt(a, fields.type, types.int);
    } else if ('float' in value) {
      writeFloat(a, fields.float, value.float);
      writeInt(a, fields.type, types.float);
    } else {
      for (const v of value) writeInt(a, fields.ints, v);
      writeInt(a, fields.type, types.ints);
    }
  });
}

function writeTensor(
  graph: BinaryWriter,
  name: string,
  { dtype, shape }: TensorType,
  content: Initializer,
): void {
  const fields = proto.tensorFields;
  writeMessage(graph, proto.graphFields.initializer, (t) => {
    for (const size of shape) writeInt(t, fields.dims, size);
    writeInt(t, fields.dtype, dtypes[dtype].onnx);
    writeString(t, fields.name, name);
    if (content instanceof Uint8Array) {
      writeBytes(t, fields.raw, content);
      return;
    }
    writeExternalEntry(t, 'location', content.file);
    writeExternalEntry(t, 'offset', String(content.offset));
    writeExternalEntry(t, 'length', String(content.bytes));
    writeInt(t, fields.location, proto.externalLocation);
  });
}

function writeExternalEntry(tensor: BinaryWriter, key: string, value: string): void {
  writeMessage(tensor, proto.tensorFields.external, (e) => {
    writeString(e, proto.entryFields.key, key);
    writeString(e, proto.entryFields.value, value);
  });
}

/** Writes an input or output of the graph. A size that is a string names a dynamic axis. */
function writeValueInfo(
  graph: BinaryWriter,
  field: number,
  name: string,
  { dtype, shape }: TensorType,
  sizes: DynamicShape = shape,
): void {
  const writeShape = (s: BinaryWriter): void => {
    for (const size of sizes) {
      writeMessage(s, proto.shapeFields.dim, (d) => {
        if (typeof size === 'string') writeString(d, proto.dimFields.param, size);
        else writeInt(d, proto.dimFields.value, size);
      });
    }
  };
  writeMessage(graph, field, (v) => {
    writeString(v, proto.valueInfoFields.name, name);
    writeMessage(v, proto.valueInfoFields.type, (t) => {
      writeMessage(t, proto.typeFields.tensor, (e) => {
        writeInt(e, proto.tensorTypeFields.element, dtypes[dtype].onnx);
        writeMessage(e, proto.tensorTypeFields.shape, writeShape);
      });
    });
  });
}

function writeOpset(model: BinaryWriter, domain: string, version: number): void {
  writeMessage(model, proto.modelFields.opset, (o) => {
    if (domain) writeString(o, proto.opsetFields.domain, domain);
    writeInt(o, proto.opsetFields.version, version);
  });
}

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, bool: Uint8Array } as const;

/** The elements of a constant as little-endian bytes. */
function encodeConstant({ dtype, constant }: Value): Uint8Array {
  const array = toTypedArray(constant!.values(), dtype);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function toTypedArray(values: ArrayLike<number>, dtype: DType): ArrayBufferView {
  if (dtype === 'int64') return BigInt64Array.from(Array.from(values), BigInt);
  if (dtype === 'float16' || dtype === 'bfloat16') return downcast(Float32Array.from(values), dtype);
  return arrays[dtype].from(values);
}
