/**
 * @file Writes small ONNX models for tests of the engine. It shares no code with src-main/graph, so that a
 * fault there cannot cancel a fault here.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { dtypes, type DType } from '../../src-main/tensor/dtype.ts';

type Attribute = number | readonly number[];
export interface ModelNode {
  readonly op: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}
/** A graph input or output; a string in `shape` is a symbolic dimension. */
export interface ModelValue {
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}
export interface ModelConstant extends ModelValue {
  readonly bytes: Uint8Array;
  readonly external?: { readonly file: string; readonly offset: number };
}
export interface Model {
  readonly nodes: readonly ModelNode[];
  readonly inputs: Readonly<Record<string, ModelValue>>;
  readonly outputs: Readonly<Record<string, ModelValue>>;
  readonly constants?: Readonly<Record<string, ModelConstant>>;
}

/** Appends one or more protobuf fields; the numbers below are field numbers of onnx.proto. */
type Write = (writer: BinaryWriter) => BinaryWriter;
const message =
  (field: number, write: Write): Write =>
  (w) =>
    write(w.uint32((field << 3) | 2).fork()).join();
const text =
  (field: number, value: string): Write =>
  (w) =>
    w.uint32((field << 3) | 2).string(value);
const bytes =
  (field: number, value: Uint8Array): Write =>
  (w) =>
    w.uint32((field << 3) | 2).bytes(value);
const int =
  (field: number, value: number): Write =>
  (w) =>
    w.uint32(field << 3).int64(value);
const all =
  (...writes: readonly Write[]): Write =>
  (w) =>
    writes.reduce((writer, write) => write(writer), w);

const attribute = (name: string, value: Attribute): Write =>
  message(
    5,
    all(
      text(1, name),
      typeof value === 'number'
        ? all(int(3, value), int(20, 2))
        : all(...value.map((v) => int(8, v)), int(20, 7)),
    ),
  );
const node = (n: ModelNode): Write =>
  message(
    1,
    all(
      ...n.in.map((name) => text(1, name)),
      ...n.out.map((name) => text(2, name)),
      text(4, n.op),
      ...Object.entries(n.attributes ?? {}).map(([name, value]) => attribute(name, value)),
    ),
  );
const value = (field: number, name: string, v: ModelValue): Write =>
  message(
    field,
    all(
      text(1, name),
      message(
        2,
        message(
          1,
          all(
            int(1, dtypes[v.dtype].onnx),
            message(
              2,
              all(...v.shape.map((d) => message(1, typeof d === 'number' ? int(1, d) : text(2, d)))),
            ),
          ),
        ),
      ),
    ),
  );
const pair = (key: string, v: string): Write => message(13, all(text(1, key), text(2, v)));
const constant = (name: string, c: ModelConstant): Write =>
  message(
    5,
    all(
      ...c.shape.map((d) => int(1, d as number)),
      int(2, dtypes[c.dtype].onnx),
      text(8, name),
      c.external
        ? all(
            pair('location', c.external.file),
            pair('offset', String(c.external.offset)),
            pair('length', String(c.bytes.length)),
            int(14, 1),
          )
        : bytes(9, c.bytes),
    ),
  );

/** Serializes a model as ONNX (IR version 10, opset 21). */
export function onnxModel(model: Model): Uint8Array {
  return all(
    int(1, 10),
    message(8, int(2, 21)),
    message(
      7,
      all(
        ...model.nodes.map(node),
        text(2, 'test'),
        ...Object.entries(model.constants ?? {}).map(([name, c]) => constant(name, c)),
        ...Object.entries(model.inputs).map(([name, v]) => value(11, name, v)),
        ...Object.entries(model.outputs).map(([name, v]) => value(12, name, v)),
      ),
    ),
  )(new BinaryWriter()).finish();
}
