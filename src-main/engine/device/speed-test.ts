/**
 * @file Five short measurements of a device: how fast it multiplies, moves, computes functions and starts
 * operators. What a time estimate stands on where no run has been measured.
 */
import type { Measured } from '../../cost/speed.ts';
import { add, graphOf, input, matmul, mul, softmax, sum, type Value } from '../../graph/ops/build.ts';
import type { Graph } from '../../graph/graph.ts';
import { physicalCores } from '../../store/fs/cores.ts';
import { compile } from '../model/programs.ts';
import type { Device } from '../ort/device.ts';
import type { DeviceTensor } from '../ort/device-tensor.ts';

interface Trial {
  readonly graph: Graph;
  readonly amount: number;
}

/** Each input multiplied once more, so that nothing folds away. */
function chain(shape: readonly number[], length: number, link: (x: Value, y: Value) => Value): Graph {
  const x = input('x', 'float32', shape);
  const y = input('y', 'float32', shape);
  let at = x;
  for (let i = 0; i < length; i++) at = link(at, y);
  return graphOf({ out: sum(at) }, [x, y]);
}

/**
 * Products of neighbours, each kept until all are added up, so that no result lies in the cache when it is
 * read.
 */
function apart(shape: readonly number[], length: number): Graph {
  const x = input('x', 'float32', shape);
  const y = input('y', 'float32', shape);
  const made = [x, y];
  for (let i = 0; i < length / 2; i++) made.push(mul(made.at(-1)!, made.at(-2)!));
  return graphOf({ out: sum(made.slice(2).reduceRight((a, b) => add(a, b), x)) }, [x, y]);
}

/** A product and the two of its gradient, as each linear has them. */
function backAndForth(m: number, k: number, n: number): Graph {
  const x = input('x', 'float32', [m, k]);
  const y = input('y', 'float32', [k, n]);
  const z = matmul(x, y);
  return graphOf({ out: add(sum(matmul(z, y, { transB: true })), sum(matmul(x, z, { transA: true }))) }, [
    x,
    y,
  ]);
}

/** `amount`: operations, bytes, elements or nodes of one run. */
const trials = {
  product: (): Trial => ({ graph: backAndForth(1024, 256, 1024), amount: 3 * 2 * 1024 * 256 * 1024 }),
  thin: (): Trial => ({
    graph: chain([32, 128, 128], 4, (x, y) => matmul(matmul(x, y, { transB: true, alpha: 1 / 128 }), y)),
    amount: 8 * 32 * 2 * 128 ** 3,
  }),
  stream: (): Trial => ({ graph: apart([1024, 1024], 12), amount: 12 * 3 * 4 * 2 ** 20 }),
  functions: (): Trial => ({
    graph: chain([2048, 256], 4, (x, y) => softmax(add(x, y))),
    amount: 4 * 2 * 2048 * 256,
  }),
  nodes: (): Trial => ({ graph: chain([64], 200, (x, y) => add(mul(x, y), y)), amount: 400 }),
} as const;

/**
 * Measures for about two seconds after warming up; the faster quarter counts, so that what else runs here
 * does not.
 */
export async function measureSpeed(device: Device, seconds = 0.25): Promise<Measured> {
  const rates: Record<string, number> = {};
  for (const [name, make] of Object.entries(trials)) {
    const { graph, amount } = make();
    const session = await compile(device, graph);
    const fed: Record<string, DeviceTensor> = {};
    try {
      for (const { name: input, shape } of graph.inputs) {
        const count = shape.reduce((a, b) => a * b, 1);
        fed[input!] = await device.upload(
          new Float32Array(count).fill(1 / Math.sqrt(shape.at(-1)!)),
          'float32',
          shape,
        );
      }
      const once = async (): Promise<number> => {
        const began = performance.now();
        for (const tensor of (await session.run(fed, { out: 'host' })).values()) tensor.dispose();
        return (performance.now() - began) / 1000;
      };
      await once();
      await once();
      const times: number[] = [];
      for (const until = performance.now() + 1000 * seconds; performance.now() < until || times.length < 5;)
        times.push(await once());
      rates[name] = amount / times.sort((a, b) => a - b)[Math.floor(times.length / 4)]!;
    } finally {
      for (const tensor of Object.values(fed)) tensor.dispose();
      await session.dispose();
    }
  }
  const { product, thin, stream, functions, nodes } = rates as Record<keyof typeof trials, number>;
  return {
    product,
    slack: Math.max(0, 128 * (product / thin - 1)),
    stream,
    functions,
    nodeSeconds: 1 / nodes,
    time: new Date().toISOString(),
    threads: device.kind === 'cpu' ? physicalCores() : 1,
  };
}
