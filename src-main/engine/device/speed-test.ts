/**
 * @file Measures the speed of a device with five short benchmarks. Time estimates use the rates as long as no
 * run has been measured on the device.
 */
import type { Measured } from '../../cost/speed.ts';
import { add, graphOf, input, matmul, mul, softmax, sum, type Value } from '../../graph/ops/build.ts';
import type { Graph } from '../../graph/graph.ts';
import { countPhysicalCores } from '../../store/fs/cores.ts';
import { countElements } from '../../tensor/layout.ts';
import { compile } from '../model/programs.ts';
import type { Device } from '../ort/device.ts';
import type { DeviceTensor } from '../ort/device-tensor.ts';

interface Benchmark {
  readonly graph: Graph;
  /** What one run does: floating-point operations, bytes, elements or nodes. */
  readonly amount: number;
}

/** Applies `step` to x again and again, always with the same y, so that nothing can be folded away. */
function chainGraph(shape: readonly number[], length: number, step: (x: Value, y: Value) => Value): Graph {
  const x = input('x', 'float32', shape);
  const y = input('y', 'float32', shape);
  let value = x;
  for (let i = 0; i < length; i++) value = step(value, y);
  return graphOf({ out: sum(value) }, [x, y]);
}

/**
 * Multiplies the two newest results elementwise, again and again, then adds all of them up. Each result has
 * left the cache when it is read.
 */
function streamGraph(shape: readonly number[], length: number): Graph {
  const x = input('x', 'float32', shape);
  const y = input('y', 'float32', shape);
  const values = [x, y];
  for (let i = 0; i < length / 2; i++) values.push(mul(values.at(-1)!, values.at(-2)!));
  const total = values.slice(2).reduceRight((a, b) => add(a, b), x);
  return graphOf({ out: sum(total) }, [x, y]);
}

/** A matrix product and the two products of its backward pass, as in a linear layer. */
function linearGraph(m: number, k: number, n: number): Graph {
  const x = input('x', 'float32', [m, k]);
  const y = input('y', 'float32', [k, n]);
  const z = matmul(x, y);
  const gradX = matmul(z, y, { transB: true });
  const gradY = matmul(x, z, { transA: true });
  return graphOf({ out: add(sum(gradX), sum(gradY)) }, [x, y]);
}

const benchmarks = {
  product: (): Benchmark => ({ graph: linearGraph(1024, 256, 1024), amount: 3 * 2 * 1024 * 256 * 1024 }),
  thin: (): Benchmark => ({
    graph: chainGraph([32, 128, 128], 4, (x, y) => matmul(matmul(x, y, { transB: true, alpha: 1 / 128 }), y)),
    amount: 8 * 32 * 2 * 128 ** 3,
  }),
  stream: (): Benchmark => ({ graph: streamGraph([1024, 1024], 12), amount: 12 * 3 * 4 * 2 ** 20 }),
  functions: (): Benchmark => ({
    graph: chainGraph([2048, 256], 4, (x, y) => softmax(add(x, y))),
    amount: 4 * 2 * 2048 * 256,
  }),
  nodes: (): Benchmark => ({ graph: chainGraph([64], 200, (x, y) => add(mul(x, y), y)), amount: 400 }),
} as const;

/** Measures each benchmark for `seconds` after two warm-up runs. Takes about two seconds in all. */
export async function measureSpeed(device: Device, seconds = 0.25): Promise<Measured> {
  const rates: Record<string, number> = {};
  for (const [name, create] of Object.entries(benchmarks))
    rates[name] = await measureRate(device, create(), seconds);
  const { product, thin, stream, functions, nodes } = rates as Record<keyof typeof benchmarks, number>;
  return {
    product,
    slack: Math.max(0, 128 * (product / thin - 1)),
    stream,
    functions,
    nodeSeconds: 1 / nodes,
    time: new Date().toISOString(),
    threads: device.kind === 'cpu' ? countPhysicalCores() : 1,
  };
}

/**
 * Returns the amount a second. Uses the first quartile of the times, so that other programs on the machine
 * hardly change the result.
 */
async function measureRate(device: Device, { graph, amount }: Benchmark, seconds: number): Promise<number> {
  const session = await compile(device, graph);
  const feeds: Record<string, DeviceTensor> = {};
  try {
    for (const { name, shape } of graph.inputs) {
      const values = new Float32Array(countElements(shape)).fill(1 / Math.sqrt(shape.at(-1)!));
      feeds[name!] = await device.upload(values, 'float32', shape);
    }
    const runOnce = async (): Promise<number> => {
      const started = performance.now();
      const outputs = await session.run(feeds, { out: 'host' });
      for (const tensor of outputs.values()) tensor.dispose();
      return (performance.now() - started) / 1000;
    };
    await runOnce();
    await runOnce();
    const times: number[] = [];
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end || times.length < 5) times.push(await runOnce());
    times.sort((a, b) => a - b);
    return amount / times[Math.floor(times.length / 4)]!;
  } finally {
    for (const tensor of Object.values(feeds)) tensor.dispose();
    await session.dispose();
  }
}
