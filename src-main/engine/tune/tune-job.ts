/**
 * @file A session of a tuning: reads the text, checks the coordinates, and makes trials until none is left. tune.json
 * is replaced after each. A trial that was interrupted is made again from its start, with the same result.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { resolveSettings } from '../../cost/checkpointing.ts';
import { subjectOf } from '../../cost/programs.ts';
import type { TuneEvent } from '../../contract/tune.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { computeFingerprint } from '../../store/checkpoint/fingerprint.ts';
import { openTokens } from '../../store/data/tokenize.ts';
import { writeText } from '../../store/fs/files.ts';
import { tryLock } from '../../store/fs/lock.ts';
import { readTuning, writeTuning } from '../../store/run/tuning-file.ts';
import { runVersion, type RunSettings } from '../../train/run.ts';
import { checkContextLength, textFilterOf, textParts } from '../../train/run-text.ts';
import { stepsOf } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { renderTuningPage } from '../../train/tuning/report.ts';
import { nextTrial, trialsLeft } from '../../train/tuning/search.ts';
import { settingsOfValues, type Tuning } from '../../train/tuning/tuning.ts';
import { chooseDevice } from '../device/choose.ts';
import type { TuneInput } from '../inputs.ts';
import { retypeCheckpoint } from '../model/weights.ts';
import { findAdapter } from '../ort/adapters.ts';
import type { Device } from '../ort/device.ts';
import { heldOutText } from '../train/run-measures.ts';
import type { ResolvedSettings } from '../train/training.ts';
import { tokenizeText } from '../train/training-text.ts';
import { checkCoordinates } from './coordinate-check.ts';
import { loadTrialModel, type TunedSource } from './trial-models.ts';
import { runTrial, type TrialText } from './trial.ts';

/** What the trials of a session share. */
interface Session {
  readonly dir: string;
  readonly device: Device;
  readonly source: TunedSource;
  readonly text: TrialText;
  shouldStop(): boolean;
}

/** The fields of a run that reading its text needs. */
const runOf = ({ name, created, checkpoint, data, weights, field, settings }: Tuning): RunSettings => ({
  version: runVersion,
  name,
  created,
  checkpoint,
  data,
  ...(weights ? { weights } : {}),
  ...(field === undefined ? {} : { field }),
  settings,
});

/** Continues the tuning in `dir` to its end. Throws `cancelled` when it is paused; what was measured stays. */
export async function* tune({ dir }: TuneInput, signal: AbortSignalLike): AsyncGenerator<TuneEvent> {
  const lock = (await tryLock(join(dir, 'lock'))) ?? refuse('tune/running', { path: dir });
  try {
    yield* tuneLocked(dir, signal);
  } finally {
    await lock.release();
  }
}

async function* tuneLocked(dir: string, signal: AbortSignalLike): AsyncGenerator<TuneEvent> {
  let tuning = await readTuning(dir);
  if (tuning.isDone) refuse('tune/finished', { path: dir });
  const { settings } = tuning;
  const opened = await openCheckpoint(tuning.checkpoint);
  if ((await computeFingerprint(opened)) !== tuning.fingerprint)
    refuse('tune/changed', { path: dir, what: `the checkpoint ${tuning.checkpoint}` });
  const source = retypeCheckpoint(opened, 'float32');
  checkContextLength(opened, settings);
  const shouldStop = (): boolean => signal.aborted;
  const run = runOf(tuning);
  const reading = tokenizeText(run, opened, signal, shouldStop, textFilterOf(settings));
  let read = await reading.next();
  for (; !read.done; read = await reading.next()) if (read.value.type === 'preparing') yield read.value;
  const { folders, lengths } = read.value;
  const tokens = await openTokens(folders);
  try {
    if (tuning.textHash !== null && tuning.textHash !== tokens.textHash)
      refuse('tune/changed', { path: dir, what: 'the text' });
    tuning = { ...tuning, textHash: tokens.textHash };
    const parts = textParts(run, lengths);
    const heldOut = heldOutText(tokens, parts, settings.contextLength);
    if (heldOut.length === 0)
      refuse('run/bad-setting', { setting: 'the held-out share', why: 'must be above 0 to compare trials' });
    const device = await chooseDevice(settings.device, settings.threads, { tf32: settings.tf32 === 'on' });
    try {
      yield* makeTrials({ dir, device, source, text: { tokens, parts, heldOut }, shouldStop }, tuning);
    } finally {
      await device.dispose();
    }
  } finally {
    tokens.close();
  }
}

async function* makeTrials(session: Session, from: Tuning): AsyncGenerator<TuneEvent> {
  let tuning = from;
  yield { type: 'tuning', dir: session.dir, tuning };
  if (tuning.wantsCoordinateCheck && !tuning.coordinateCheck) {
    const coordinateCheck = yield* runCheck(session, tuning);
    tuning = { ...tuning, coordinateCheck };
    await writeTuning(session.dir, tuning);
    yield { type: 'tuning', dir: session.dir, tuning };
  }
  for (let next = nextTrial(tuning); next; next = nextTrial(tuning)) {
    const tested = settingsOfValues(next.values, tuning.mupBase, stepsOf(tuning.settings));
    const settings = trialSettings(session, tuning, tested);
    const loaded = await loadTrialModel(session.device, session.source, tuning, next, settings);
    try {
      const own = { trial: next, settings, earlier: tuning.trials };
      const trials = runTrial(session.device, loaded, session.text, own, session.shouldStop);
      let event = await trials.next();
      for (; !event.done; event = await trials.next()) {
        const { width, tests, values } = next;
        const left = trialsLeft(tuning);
        yield { type: 'step', trial: tuning.trials.length + 1, left, width, tests, values, ...event.value };
      }
      tuning = {
        ...tuning,
        trials: [...tuning.trials, event.value ?? refuse('cancelled', { what: 'Tuning' })],
      };
    } finally {
      loaded.dispose();
    }
    await writeTuning(session.dir, tuning);
    yield { type: 'tuning', dir: session.dir, tuning };
  }
  tuning = { ...tuning, isDone: true };
  await writeText(join(session.dir, 'report.html'), renderTuningPage(tuning));
  await writeTuning(session.dir, tuning);
  yield { type: 'done', dir: session.dir, tuning };
}

async function* runCheck(
  session: Session,
  tuning: Tuning,
): AsyncGenerator<TuneEvent, NonNullable<Tuning['coordinateCheck']>> {
  const { device, source, text, shouldStop } = session;
  const settings = trialSettings(session, tuning, {});
  const checking = checkCoordinates(device, source.checkpoint, text, settings, shouldStop);
  let event = await checking.next();
  for (; !event.done; event = await checking.next())
    yield { type: 'preparing', what: 'checking the coordinates', ...event.value };
  return event.value ?? refuse('cancelled', { what: 'Tuning' });
}

/** The settings of a trial on its device. */
const trialSettings = (
  { device, source }: Session,
  { settings }: Tuning,
  changes: Partial<TrainingSettings>,
): ResolvedSettings =>
  resolveSettings(
    subjectOf(source.checkpoint),
    { ...settings, ...changes },
    device.kind,
    findAdapter(device.kind).memory,
  );
