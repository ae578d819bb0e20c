/** @file The lines of events.jsonl: splits bytes into lines and parses a line. Version 1 is translated. */
import { z } from 'zod';
import { isObject, jsonObject, parseJsonIfValid } from '../../base/json.ts';
import type { RunEvent, StepEvent } from '../../train/run.ts';
import { translateEvent } from './version-1.ts';

const lineBreak = 10;

export interface Line {
  /** Byte positions, the line break included in `end`. */
  readonly start: number;
  readonly end: number;
  /** With the line break. */
  readonly bytes: Buffer;
  /** Without the line break. */
  text(): string;
}

/** The complete lines of a buffer. */
export function splitLines(buffer: Buffer): readonly Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let end = buffer.indexOf(lineBreak); end >= 0; end = buffer.indexOf(lineBreak, start)) {
    const bytes = buffer.subarray(start, end + 1);
    lines.push({ start, end: end + 1, bytes, text: () => bytes.toString('utf8', 0, bytes.length - 1) });
    start = end + 1;
  }
  return lines;
}

interface Fields {
  readonly numbers?: readonly string[];
  readonly texts?: readonly string[];
}
/** What readers compute with, besides `step`: fields that are finite numbers, and fields that are text. */
const fields: Readonly<Record<string, Fields>> = {
  preparing: { numbers: ['done', 'of'], texts: ['what'] },
  started: { numbers: ['steps'], texts: ['device', 'deviceName', 'time'] },
  step: { numbers: ['loss', 'lr', 'gradNorm', 'tokens', 'seconds'] },
  skipped: { texts: ['what'] },
  'rolled-back': { numbers: ['from'] },
  rescheduled: { numbers: ['steps'] },
  grown: {
    numbers: ['stage', 'parametersBefore', 'parameters', 'steps', 'tokens'],
    texts: ['reason', 'source'],
  },
  slope: { numbers: ['fall', 'low', 'high'] },
  evaluated: { numbers: ['loss'] },
  averaged: { numbers: ['loss'], texts: ['weights'] },
  asymmetry: { numbers: ['value'] },
  sample: { texts: ['prompt', 'text'] },
  saved: { texts: ['dir'] },
  usage: { numbers: ['seconds'] },
  measured: { numbers: ['stepSeconds', 'secondsLeft'] },
  budget: { numbers: ['limit', 'spent'], texts: ['what'] },
  'early-stopped': { numbers: ['best', 'bestStep', 'evaluations'] },
  stopped: { texts: ['reason'] },
};

const step = z.number().int().nonnegative();

const toShape = (names: readonly string[], schema: z.ZodType): Record<string, z.ZodType> =>
  Object.fromEntries(names.map((name) => [name, schema]));

/** The schema of each type of event. Other fields are kept: versions differ in them. */
const schemas = new Map(
  Object.entries(fields).map(([type, { numbers = [], texts = [] }]) => [
    type,
    z.looseObject({
      ...(type === 'preparing' ? {} : { step }),
      ...toShape(numbers, z.number()),
      ...toShape(texts, z.string()),
      ...(type === 'stopped' ? { reason: z.enum(['finished', 'requested', 'failed']) } : {}),
    }),
  ]),
);
/** An event of a type that a later version added only needs its step. */
const laterSchema = z.looseObject({ step });

function isEvent(event: unknown): event is RunEvent {
  if (!isObject(event) || typeof event['type'] !== 'string') return false;
  return (schemas.get(event['type']) ?? laterSchema).safeParse(event).success;
}

/** An event of this version. */
export const storedEvent = z.custom<RunEvent>(isEvent, 'it is no event');
/** A step of this version. */
export const storedStep = z.custom<StepEvent>(
  (value) => isEvent(value) && value.type === 'step',
  'it is no step',
);

/** Parses a line. Null for a line that is no event, such as one that a full disk cut off. */
export function parseEvent(line: string): RunEvent | null {
  const value = parseJsonIfValid(line, jsonObject);
  if (!value) return null;
  const event =
    typeof value['at'] === 'string' && value['type'] === undefined ? translateEvent(value) : value;
  return isEvent(event) ? (event as unknown as RunEvent) : null;
}
