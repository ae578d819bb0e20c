/** @file Checks of how checkpoints are read: their loss on a text, and their logits for another program. */
import type { AbortSignalLike } from '../base/signals.ts';
import type { CheckRequest, CheckResult, LogitsRequest, WrittenLogits } from '../contract/schema.ts';
import { withAbsolutePaths } from './certificates.ts';
import { toAbsolutePath } from './dependencies.ts';
import { withEngine, type Processes } from './engines.ts';

/** Measures a checkpoint in an engine of its own. */
export const checkReading = (
  processes: Processes,
  { dir, text, device }: CheckRequest,
  signal?: AbortSignalLike,
): Promise<CheckResult> =>
  withEngine(processes, {}, (engine) =>
    engine.check(
      {
        dir: toAbsolutePath(dir),
        device,
        ...(text === undefined ? {} : { text: toAbsolutePath(text) }),
      },
      signal,
    ),
  );

/** Writes the logits of checkpoints in an engine of its own. */
export const writeLogits = (
  processes: Processes,
  { models, text, out, ...request }: LogitsRequest,
  signal?: AbortSignalLike,
): Promise<WrittenLogits> =>
  withEngine(processes, {}, (engine) =>
    engine.logits(
      {
        ...request,
        models: models.map(toAbsolutePath),
        out: toAbsolutePath(out),
        ...(text ? { text: withAbsolutePaths(text) } : {}),
      },
      signal,
    ),
  );
