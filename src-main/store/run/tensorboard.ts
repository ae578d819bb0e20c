/**
 * @file A run's numbers as TensorBoard reads them: one event file a sitting, beside events.jsonl. Records are
 * TFRecords of tensorflow's event.proto; a later sitting's START makes TensorBoard drop what the run took
 * back.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../base/crc32c.ts';
import type { RunEvent } from '../../train/run.ts';
import { writing } from '../fs/files.ts';

/** Field numbers of event.proto and summary.proto. */
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const summary = { value: 1 };
const value = { simple: 2, tag: 1 };
const sessionLog = { status: 1 };
const start = 1;
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;

/** What an event adds, by TensorBoard's tags. */
export function scalarsOf(e: RunEvent): Readonly<Record<string, number>> {
  const numbers = (all: Readonly<Record<string, number | null | undefined>>): Record<string, number> =>
    Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    );
  if (e.at === 'step')
    return numbers({
      'loss/train': e.loss,
      'optimizer/learning rate': e.lr,
      'optimizer/gradient norm': e.norm,
      'optimizer/update ratio': e.ratio,
      'loss/divergence from source': e.kl,
      'speed/seconds per step': e.seconds,
    });
  if (e.at === 'evaluated') return { 'loss/held out': e.loss };
  if (e.at === 'averaged') return { [`loss/held out, ${e.which}`]: e.loss };
  if (e.at === 'asymmetry') return { 'copies/asymmetry': e.value };
  if (e.at === 'reading')
    return numbers({
      'device/memory': e.memory,
      'device/watts': e.watts,
      'device/utilisation': e.utilisation,
      'device/temperature': e.temperature,
      'spend/kilowatt-hours': e.energy,
      'spend/money': e.money,
    });
  return {};
}

/** The checksum of the TFRecord format: rotated, so that a checksum of a checksum is no trap. */
const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** Length and its checksum, data and its checksum. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return out;
}

function record(seconds: number, step: number, fill: (w: BinaryWriter) => void): Uint8Array {
  const w = new BinaryWriter();
  w.tag(event.wallTime, fixed64).double(seconds).tag(event.step, varint).int64(step);
  fill(w);
  return tfRecord(w.finish());
}

function scalarRecord(seconds: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  return record(seconds, step, (w) => {
    w.tag(event.summary, lengthDelimited).fork();
    for (const [tag, number] of Object.entries(scalars)) {
      w.tag(summary.value, lengthDelimited).fork();
      w.tag(value.tag, lengthDelimited).string(tag).tag(value.simple, fixed32).float(number);
      w.join();
    }
    w.join();
  });
}

const startRecord = (seconds: number, step: number): Uint8Array =>
  record(seconds, step, (w) => {
    w.tag(event.sessionLog, lengthDelimited).fork().tag(sessionLog.status, varint).int32(start);
    w.join();
  });

export interface TensorBoardLog {
  append(event: RunEvent): Promise<void>;
  close(): Promise<void>;
}

/** A new event file of the run in `dir`, for a sitting that goes on after step `after`. */
export async function openTensorBoard(
  dir: string,
  after: number,
  now: () => number = Date.now,
): Promise<TensorBoardLog> {
  const folder = join(dir, 'tensorboard');
  const path = join(
    folder,
    `events.out.tfevents.${Math.floor(now() / 1000)}.cambium.${process.pid}.${after}`,
  );
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const file = await writing(path, () => open(path, 'a'));
  const put = (bytes: Uint8Array): Promise<void> => writing(path, () => file.appendFile(bytes));
  await put(
    record(now() / 1000, 0, (w) => {
      w.tag(event.fileVersion, lengthDelimited).string('brain.Event:2');
    }),
  );
  if (after > 0) await put(startRecord(now() / 1000, after + 1));
  return {
    async append(e) {
      if (e.at === 'rolled-back') {
        await put(startRecord(now() / 1000, e.step + 1));
        return;
      }
      const scalars = scalarsOf(e);
      if ('step' in e && Object.keys(scalars).length > 0)
        await put(scalarRecord(now() / 1000, e.step, scalars));
    },
    close: () => file.close(),
  };
}
