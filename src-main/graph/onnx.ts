/** @file A graph as the bytes of an ONNX model (onnx.proto3, IR version 10, operator set 21). */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { refuse } from '../base/errors.ts';
import { dtypes, narrow, type DType } from '../tensor/dtype.ts';
import type { OpenShape } from './passes/dynamic.ts';
import { attrText, nodesOf, type Attr, type Graph, type OnnxForm, type Type, type Value } from './graph.ts';
import { identity } from './ops/movement.ts';
import { lacks, type Provider } from './providers.ts';
import { rewrite } from './passes/rewrite.ts';

/** Bytes that make an input an initializer: themselves, or where they lie in a file beside the model. */
export type Weight = Uint8Array | { readonly file: string; readonly offset: number; readonly bytes: number };
export interface OnnxOptions {
  /** Which ONNX Runtime provider runs it (`cpu`): operators it lacks are written as others. */
  readonly provider?: Provider;
  /** Inputs, by name, that become initializers; little-endian elements. */
  readonly weights?: Readonly<Record<string, Weight>>;
  /**
   * Sizes of inputs and outputs, by name, where some of them are open; their own where a name is not there.
   */
  readonly dims?: Readonly<Record<string, OpenShape>>;
}

/** Field numbers of onnx.proto3, for the messages written here. */
const model = { irVersion: 1, producer: 2, graph: 7, opset: 8 };
const opset = { domain: 1, version: 2 };
const graphField = { node: 1, name: 2, initializer: 5, input: 11, output: 12 };
const nodeField = { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7 };
const attribute = { name: 1, float: 2, int: 3, string: 4, ints: 8, type: 20 };
const attributeType = { float: 1, int: 2, string: 3, ints: 7 };
const tensor = { dims: 1, dtype: 2, name: 8, raw: 9, external: 13, location: 14 };
const entry = { key: 1, value: 2 };
const valueInfo = { name: 1, type: 2 };
const typeField = { tensor: 1 };
const tensorType = { element: 1, shape: 2 };
const shapeField = { dim: 1 };
const dim = { value: 1, param: 2 };
const varint = 0;
const fixed32 = 5;
const lengthDelimited = 2;

const text = (w: BinaryWriter, field: number, value: string): BinaryWriter =>
  w.tag(field, lengthDelimited).string(value);
const whole = (w: BinaryWriter, field: number, value: number): BinaryWriter =>
  w.tag(field, varint).int64(value);
const inside = (w: BinaryWriter, field: number, write: (w: BinaryWriter) => void): void => {
  w.tag(field, lengthDelimited).fork();
  write(w);
  w.join();
};

/**
 * The model's bytes. Equal graphs give equal bytes. Inputs and outputs keep their names; other values are
 * numbered.
 */
export function onnxModel(
  graph: Graph,
  { provider = 'cpu', weights = {}, dims = {} }: OnnxOptions = {},
): Uint8Array {
  const { inputs, outputs } = distinctOutputs(lowered(graph, provider));
  const nodes = nodesOf(Object.values(outputs));
  const names = new Map<Value, string>();
  const initializers = new Map<string, Value>();
  const domains = new Set<string>();
  const nameOf = (v: Value): string => {
    if (v.constant) {
      const known = constantNames.get(v.constant.key) ?? `$${constantNames.size}`;
      constantNames.set(v.constant.key, known);
      initializers.set(known, v);
      return known;
    }
    const name = v.name ?? names.get(v) ?? `%${names.size}`;
    names.set(v, name);
    return name;
  };
  const constantNames = new Map<string, string>();
  for (const [name, v] of Object.entries(outputs)) names.set(v, name);
  const w = new BinaryWriter();
  whole(w, model.irVersion, 10);
  text(w, model.producer, 'cambium');
  inside(w, model.graph, (g) => {
    // Last first: ONNX Runtime walks back from what nobody reads and takes the later of two in the file
    // first, so that this is how it comes to run them in our order.
    nodes.toReversed().forEach((node, i) => {
      const form: OnnxForm = node.op.onnx?.(node) ?? {};
      if (form.domain) domains.add(form.domain);
      inside(g, graphField.node, (n) => {
        for (const v of form.inputs ?? node.inputs) text(n, nodeField.input, nameOf(v));
        for (const v of node.outputs) text(n, nodeField.output, nameOf(v));
        text(n, nodeField.name, `${node.op.name}_${i}`);
        text(n, nodeField.op, form.op ?? node.op.name);
        for (const [key, value] of Object.entries(form.attrs ?? node.attrs))
          inside(n, nodeField.attribute, (a) => {
            writeAttribute(a, key, value);
          });
        if (form.domain) text(n, nodeField.domain, form.domain);
      });
    });
    text(g, graphField.name, 'cambium');
    for (const [name, v] of initializers)
      inside(g, graphField.initializer, (t) => {
        writeTensor(t, name, v, encode(v));
      });
    for (const v of inputs) {
      const weight = weights[v.name!];
      if (weight)
        inside(g, graphField.initializer, (t) => {
          writeTensor(t, v.name!, v, weight);
        });
      else
        inside(g, graphField.input, (i) => {
          writeValueInfo(i, v.name!, v, dims[v.name!]);
        });
    }
    for (const [name, v] of Object.entries(outputs))
      inside(g, graphField.output, (o) => {
        writeValueInfo(o, name, v, dims[name]);
      });
  });
  for (const [domain, version] of [['', 21] as const, ...[...domains].map((d) => [d, 1] as const)])
    inside(w, model.opset, (o) => {
      if (domain) text(o, opset.domain, domain);
      whole(o, opset.version, version);
    });
  return w.finish();
}

/**
 * `graph` with every row that ONNX or the provider lacks written as other rows. Refuses `graph/invalid` where
 * a row has no other form.
 */
export function lowered(graph: Graph, provider: Provider): Graph {
  let changed = false;
  const once = rewrite(graph, (node, inputs) => {
    const { op, attrs } = node;
    const form = op.onnx === null ? undefined : (op.onnx?.({ ...node, inputs }) ?? {});
    if (
      form &&
      ![form.op ?? op.name, `${form.op ?? op.name}(${inputs[0]?.dtype})`].some((kernel) =>
        lacks[provider].has(kernel),
      )
    )
      return undefined;
    changed = true;
    return (
      op.lower?.(inputs, attrs) ??
      refuse('graph/invalid', {
        pass: `export for ${provider}`,
        node: `${op.name}${attrText(attrs)}`,
        why: 'the provider has no such operator, and no other form is known',
      })
    );
  });
  // a lowered form may itself use rows that the provider lacks
  return changed ? lowered(once, provider) : once;
}

/** Outputs that are inputs, constants, or another output's value get a node of their own. */
function distinctOutputs({ inputs, outputs }: Graph): Graph {
  const taken = new Set<Value>();
  const own: Record<string, Value> = {};
  for (const [name, v] of Object.entries(outputs))
    taken.add((own[name] = v.node && !taken.has(v) ? v : identity(v)));
  return { inputs, outputs: own };
}

function writeAttribute(w: BinaryWriter, name: string, value: Attr | { readonly float: number }): void {
  text(w, attribute.name, name);
  const kind = (type: keyof typeof attributeType): void => {
    whole(w, attribute.type, attributeType[type]);
  };
  if (typeof value === 'string') {
    text(w, attribute.string, value);
    kind('string');
  } else if (typeof value === 'number' || typeof value === 'boolean') {
    whole(w, attribute.int, Number(value));
    kind('int');
  } else if ('float' in value) {
    w.tag(attribute.float, fixed32).float(value.float);
    kind('float');
  } else {
    for (const v of value) whole(w, attribute.ints, v);
    kind('ints');
  }
}

function writeTensor(w: BinaryWriter, name: string, { dtype, shape }: Type, content: Weight): void {
  for (const size of shape) whole(w, tensor.dims, size);
  whole(w, tensor.dtype, dtypes[dtype].onnx);
  text(w, tensor.name, name);
  if (content instanceof Uint8Array) {
    w.tag(tensor.raw, lengthDelimited).bytes(content);
    return;
  }
  for (const [key, value] of [
    ['location', content.file],
    ['offset', content.offset],
    ['length', content.bytes],
  ] as const)
    inside(w, tensor.external, (e) => {
      text(text(e, entry.key, key), entry.value, String(value));
    });
  whole(w, tensor.location, 1);
}

const writeValueInfo = (
  w: BinaryWriter,
  name: string,
  { dtype, shape }: Type,
  sizes: OpenShape = shape,
): void => {
  text(w, valueInfo.name, name);
  inside(w, valueInfo.type, (t) => {
    inside(t, typeField.tensor, (e) => {
      whole(e, tensorType.element, dtypes[dtype].onnx);
      inside(e, tensorType.shape, (s) => {
        for (const size of sizes)
          inside(s, shapeField.dim, (d) => {
            if (typeof size === 'string') text(d, dim.param, size);
            else whole(d, dim.value, size);
          });
      });
    });
  });
};

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, bool: Uint8Array } as const;

/** A constant's elements as little-endian bytes. */
function encode({ dtype, constant }: Value): Uint8Array {
  const values = constant!.values();
  const array =
    dtype === 'int64'
      ? BigInt64Array.from(Array.from(values), BigInt)
      : dtype === 'float16' || dtype === 'bfloat16'
        ? narrow(Float32Array.from(values), dtype)
        : arrays[dtype as Exclude<DType, 'int64' | 'float16' | 'bfloat16'>].from(values);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
