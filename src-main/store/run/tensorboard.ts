/**
 * @file Writes a run's numbers as TensorBoard event files, one per session, beside events.jsonl. Records are
 * TFRecords of tensorflow's event.proto. The START record of a later session makes TensorBoard drop the steps
 * that the run removed.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../base/crc32c.ts';
import type { RunEvent } from '../../train/run.ts';
import { writeOrRefuse } from '../fs/files.ts';

/** Field numbers of event.proto and summary.proto. */
const eventField = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const summaryField = { value: 1 };
const valueField = { tag: 1, simpleValue: 2 };
const sessionLogField = { status: 1 };
const sessionStart = 1;
const wireType = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 };

type Scalars = Readonly<Record<string, number | null | undefined>>;

/** The scalars of an event by tag. Tags follow transformers' Trainer: train/loss, train/grad_norm, eval/loss. */
export function scalarsOf(event: RunEvent): Readonly<Record<string, number>> {
  const known = Object.entries(allScalarsOf(event)).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return Object.fromEntries(known);
}

function allScalarsOf(event: RunEvent): Scalars {
  switch (event.type) {
    case 'step':
      return {
        'train/loss': event.loss,
        'train/learning_rate': event.lr,
        'train/grad_norm': event.gradNorm,
        'train/update_ratio': event.updateRatio,
        'train/kl_divergence': event.kl,
        'train/seconds_per_step': event.seconds,
      };
    case 'evaluated':
      return { 'eval/loss': event.loss };
    case 'averaged':
      return { [`eval/loss_${event.weights}`]: event.loss };
    case 'asymmetry':
      return { 'train/copy_asymmetry': event.value };
    case 'usage':
      return {
        'device/memory_bytes': event.memory,
        'device/power_watts': event.watts,
        'device/utilisation': event.utilisation,
        'device/temperature_celsius': event.temperature,
        'usage/energy_kwh': event.energy,
        'usage/cost_usd': event.cost,
      };
    default:
      return {};
  }
}

/** The masked checksum of the TFRecord format. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A TFRecord: length, checksum of the length, data, checksum of the data. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return out;
}

function eventRecord(seconds: number, step: number, writeBody: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(eventField.wallTime, wireType.fixed64).double(seconds);
  writer.tag(eventField.step, wireType.varint).int64(step);
  writeBody(writer);
  return tfRecord(writer.finish());
}

const scalarRecord = (seconds: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array =>
  eventRecord(seconds, step, (writer) => {
    writer.tag(eventField.summary, wireType.lengthDelimited).fork();
    for (const [tag, number] of Object.entries(scalars)) {
      writer.tag(summaryField.value, wireType.lengthDelimited).fork();
      writer.tag(valueField.tag, wireType.lengthDelimited).string(tag);
      writer.tag(valueField.simpleValue, wireType.fixed32).float(number);
      writer.join();
    }
    writer.join();
  });

const startRecord = (seconds: number, step: number): Uint8Array =>
  eventRecord(seconds, step, (writer) => {
    writer.tag(eventField.sessionLog, wireType.lengthDelimited).fork();
    writer.tag(sessionLogField.status, wireType.varint).int32(sessionStart);
    writer.join();
  });

const versionRecord = (seconds: number): Uint8Array =>
  eventRecord(seconds, 0, (writer) => {
    writer.tag(eventField.fileVersion, wireType.lengthDelimited).string('brain.Event:2');
  });

export interface TensorBoardLog {
  append(event: RunEvent): Promise<void>;
  close(): Promise<void>;
}

/** Opens a new event file for a session that continues after step `after`. `now` is in milliseconds. */
export async function openTensorBoard(
  dir: string,
  after: number,
  now: () => number = Date.now,
): Promise<TensorBoardLog> {
  const folder = join(dir, 'tensorboard');
  const name = `events.out.tfevents.${Math.floor(now() / 1000)}.cambium.${process.pid}.${after}`;
  const path = join(folder, name);
  await writeOrRefuse(folder, () => mkdir(folder, { recursive: true }));
  const file = await writeOrRefuse(path, () => open(path, 'a'));
  const seconds = (): number => now() / 1000;
  const write = (bytes: Uint8Array): Promise<void> => writeOrRefuse(path, () => file.appendFile(bytes));
  await write(versionRecord(seconds()));
  if (after > 0) await write(startRecord(seconds(), after + 1));
  return {
    async append(event) {
      if (event.type === 'rolled-back') {
        await write(startRecord(seconds(), event.step + 1));
        return;
      }
      const scalars = scalarsOf(event);
      if ('step' in event && Object.keys(scalars).length > 0)
        await write(scalarRecord(seconds(), event.step, scalars));
    },
    close: () => file.close(),
  };
}
