/** @file A plan, streamed from shard to shard: one weight (or a block of its rows) in memory at a time; what is half-written never looks whole. */
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../contract/rpc.ts';
import type { GrowEvent } from '../contract/schema.ts';
import { growthFeeds, growthGraph, growthGraphKey, rowsOf } from '../growth/device-graph.ts';
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

/** Bytes of output made at once. */
const blockBytes = 64 * 2 ** 20;

/** Grows, certifies, and only then says done. Cancelling leaves nothing behind. */
export async function* grow({ source: dir, out, plan, device: choice }: GrowInput, signal: AbortSignalLike): AsyncGenerator<GrowEvent> {
  const source = await openCheckpoint(dir), started = performance.now(), seconds = (): number => (performance.now() - started) / 1000;
  const device = await chooseDevice(choice);
  const stop = (): void => { if (signal.aborted) refuse('cancelled', { what: 'Growing' }); };
  try {
    const record = { version: 1, source: dir, method: plan.request.method, plan, certificate: null, cambium: version };
    const writer = await createCheckpointWriter({
      target: out, family: source.family, prefix: source.prefix, config: plan.config, tensors: plan.tensors.map((t) => ({ name: t.name, dtype: t.dtype, shape: t.to })),
      sideFilesFrom: dir, card: growthCard(source, plan),
    });
    try {
      const recipes = new Map(plan.tensors.map((t) => [t.name, t])), sessions = new Map<string, Promise<Session>>();
      let bytes = 0, tensors = 0;
      for (const name of writer.order) {
        stop();
        for await (const block of grown(device, source, plan, recipes.get(name)!, sessions)) { stop(); await writer.write(name, block); bytes += block.byteLength; }
        yield { at: 'tensor', name, tensors: ++tensors, ofTensors: writer.order.length, bytes, ofBytes: writer.bytes, seconds: seconds() };
      }
      for (const session of sessions.values()) await (await session).dispose();
      await writer.finish({ 'growth.json': `${JSON.stringify(record, null, 1)}\n` });
      yield { at: 'certifying' };
      try {
        const certificate = await certify(device, dir, out);
        stop();
        await recordCertificate(out, certificate);
        yield { at: 'done', dir: out, seconds: seconds(), bytes: writer.bytes, certificate, device: device.kind };
      } catch (error) { await removeFolder(out); throw error; }
    } catch (error) { await writer.abort(); throw error; }
  } finally { await device.dispose(); }
}

/** One weight of the grown model, in blocks of rows, as bytes of its dtype. */
async function* grown(device: Device, source: Checkpoint, plan: GrowthPlan, recipe: TensorRecipe, sessions: Map<string, Promise<Session>>): AsyncGenerator<Uint8Array> {
  const dtype = source.refs.get(recipe.source)!.dtype, all = rowsOf(recipe), rowBytes = bytesOf(recipe.dtype, countOf(recipe.to) / all), most = Math.max(1, Math.floor(blockBytes / rowBytes));
  const bytes = await readTensor(source, recipe.source), values = widen(bytes, dtype), wide = !hasType(device, dtype) || !hasType(device, recipe.dtype);
  checkFinite(values, source.dir, recipe.source);
  const stored = wide ? 'float32' : dtype, there: TensorRecipe = wide ? { ...recipe, dtype: 'float32' } : recipe;
  for (let at = 0; at < all; at += most) {
    const rows = Math.min(most, all - at), key = growthGraphKey(there, plan.maps, stored, rows);
    if (key === null) { yield new Uint8Array(rows * rowBytes); continue; }
    const graph = growthGraph(there, plan.maps, plan.from, plan.to, stored, rows);
    if (!sessions.has(key)) sessions.set(key, compile(device, graph));
    const session = await sessions.get(key)!, given = graph.inputs.find((v) => v.name === 'source')!;
    const feeds: Record<string, DeviceTensor> = { source: DeviceTensor.over(wide ? values : bytes, given.dtype, given.shape) };
    for (const [name, { dtype, shape, data }] of Object.entries(growthFeeds(there, plan.maps, plan.from, plan.to, values, plan.request.seed, { at, rows }))) feeds[name] = DeviceTensor.over(data, dtype, shape);
    const out = (await session.run(feeds, { grown: 'host' })).get('grown')!;
    try { yield wide ? narrow(out.values('float32'), recipe.dtype) : out.bytes(); } finally { out.dispose(); for (const t of Object.values(feeds)) t.dispose(); }
  }
}

/** Whether a device computes with this type of weights itself; where it does not, the processor widens and narrows. */
const hasType = (device: Device, dtype: WeightDType): boolean => device.kind !== 'webgpu' || dtype === 'float32';
