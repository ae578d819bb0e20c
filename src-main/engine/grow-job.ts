/** @file A plan, streamed from shard to shard: one weight (or a block of its rows) in memory at a time; what is half-written never looks whole. */
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../contract/rpc.ts';
import type { GrowEvent } from '../contract/schema.ts';
import { growthAdditions, growthFeeds, growthGraph, growthGraphKey, rowsOf } from '../growth/device-graph.ts';
import type { GrowthPlan, TensorRecipe } from '../growth/recipe.ts';
import { createCheckpointWriter, recordCertificate } from '../store/checkpoint-writer.ts';
import { checkFinite, openCheckpoint, readTensor, type Checkpoint } from '../store/checkpoint.ts';
import { removeFolder } from '../store/folder.ts';
import { bytesOf, narrow, widen, type WeightDType } from '../tensor/dtype.ts';
import { countOf } from '../tensor/layout.ts';
import { growthCard } from './cards.ts';
import { certify } from './certify-job.ts';
import { chooseDevice } from './choose.ts';
import type { Device } from './ort/device.ts';
import { DeviceTensor } from './ort/device-tensor.ts';
import { compile } from './programs.ts';
import type { Session } from './ort/session.ts';
import type { GrowInput } from './inputs.ts';
import { version } from './version.ts';
import { checkRange } from './weights.ts';

export interface GrowOptions {
  /** Bytes of output made at once (64 MiB). */
  readonly blockBytes?: number;
}

/** Grows, certifies, and only then says done. Cancelled, failed or left in the middle, it leaves nothing behind. */
export async function* grow({ source: dir, out, plan, device: choice }: GrowInput, signal: AbortSignalLike, options: GrowOptions = {}): AsyncGenerator<GrowEvent> {
  const source = await openCheckpoint(dir), started = performance.now(), device = await chooseDevice(choice);
  let standing = false, done = false;
  try {
    const bytes = yield* writeGrown(device, source, plan, out, signal, options);
    standing = true;
    yield { at: 'certifying' };
    const certificate = await certify(device, dir, out, { signal });
    stopWhen(signal);
    await recordCertificate(out, certificate);
    done = true;
    yield { at: 'done', dir: out, seconds: (performance.now() - started) / 1000, bytes, certificate, device: device.kind };
  } finally {
    if (standing && !done) await removeFolder(out);
    await device.dispose();
  }
}

/** Writes the grown folder, whole or not at all, without a certificate; answers with the bytes of its weights. */
export async function* writeGrown(device: Device, source: Checkpoint, plan: GrowthPlan, out: string, signal: AbortSignalLike, { blockBytes = 2 ** 26 }: GrowOptions = {}): AsyncGenerator<GrowEvent, number> {
  const started = performance.now(), record = { version: 1, source: source.dir, method: plan.request.method, plan, certificate: null, cambium: version };
  const writer = await createCheckpointWriter({
    target: out, family: source.family, prefix: source.prefix, config: plan.config, tensors: plan.tensors.map((t) => ({ name: t.name, dtype: t.dtype, shape: t.to })),
    sideFilesFrom: source.dir, card: growthCard(source, plan),
  });
  const recipes = new Map(plan.tensors.map((t) => [t.name, t])), sessions = new Map<string, Session>();
  try {
    let bytes = 0, tensors = 0;
    for (const name of writer.order) {
      stopWhen(signal);
      for await (const block of grown({ device, source, plan, sessions, blockBytes }, recipes.get(name)!)) { stopWhen(signal); await writer.write(name, block); bytes += block.byteLength; }
      yield { at: 'tensor', name, tensors: ++tensors, ofTensors: writer.order.length, bytes, ofBytes: writer.bytes, seconds: (performance.now() - started) / 1000 };
    }
    stopWhen(signal);
    await writer.finish({ 'growth.json': `${JSON.stringify(record, null, 1)}\n` });
    return writer.bytes;
  } finally {
    await writer.abort();                                              // does nothing to a folder that is finished
    for (const session of sessions.values()) await session.dispose();
  }
}

const stopWhen = (signal: AbortSignalLike): void => { if (signal.aborted) refuse('cancelled', { what: 'Growing' }); };

interface Growing { readonly device: Device; readonly source: Checkpoint; readonly plan: GrowthPlan; readonly sessions: Map<string, Session>; readonly blockBytes: number }

/** One weight of the grown model, in blocks of rows, as bytes of its dtype. */
async function* grown({ device, source, plan, sessions, blockBytes }: Growing, recipe: TensorRecipe): AsyncGenerator<Uint8Array> {
  const { maps, from, to, request: { seed } } = plan, dtype = source.refs.get(recipe.source)!.dtype;
  const all = rowsOf(recipe), rowBytes = bytesOf(recipe.dtype, countOf(recipe.to) / all), most = Math.max(1, Math.floor(blockBytes / rowBytes));
  const bytes = await readTensor(source, recipe.source), values = widen(bytes, dtype), other = recipe.second === undefined ? undefined : source.refs.get(recipe.second)!.dtype;
  const wide = !hasType(device, dtype) || !hasType(device, recipe.dtype) || (other ?? dtype) !== dtype, more = other && await readTensor(source, recipe.second!);
  checkFinite(values, source.dir, recipe.source);
  if (more) checkFinite(widen(more, other), source.dir, recipe.second!);
  const stored = wide ? 'float32' : dtype, there: TensorRecipe = wide ? { ...recipe, dtype: 'float32' } : recipe;
  const additions = recipe.silent ? null : growthAdditions(there, maps, from, to, values, seed);
  for (let at = 0; at < all; at += most) {
    const rows = Math.min(most, all - at), key = growthGraphKey(there, maps, stored, rows);
    if (key === null) { yield new Uint8Array(rows * rowBytes); continue; }
    const graph = growthGraph(there, maps, from, to, stored, rows), session = sessions.get(key) ?? await compile(device, graph);
    sessions.set(key, session);
    const { shape } = graph.inputs.find((v) => v.name === 'source')!, feeds: Record<string, DeviceTensor> = { source: DeviceTensor.over(wide ? values : bytes, stored, shape) };
    try {
      if (more) feeds['second'] = DeviceTensor.over(wide ? widen(more, other) : more, stored, shape);
      for (const [name, feed] of Object.entries(growthFeeds(there, maps, from, to, values, seed, { at, rows }, additions))) feeds[name] = DeviceTensor.over(feed.data, feed.dtype, feed.shape);
      const out = (await session.run(feeds, { grown: 'host' })).get('grown')!;
      try {
        const block = wide ? narrow(out.values('float32'), recipe.dtype) : out.bytes();
        checkRange(block, recipe.dtype, recipe.name);
        yield block;
      } finally { out.dispose(); }
    } finally { for (const tensor of Object.values(feeds)) tensor.dispose(); }
  }
}

/** Whether a device computes with this type of weights itself; where it does not, the processor widens and narrows. */
const hasType = (device: Device, dtype: WeightDType): boolean => device.kind !== 'webgpu' || dtype === 'float32';
