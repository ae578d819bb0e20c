/** @file The fake engine as a process, its mood from FAKE_ENGINE. */
import { childChannel, type ChildLike } from '../../src-main/base/transports.ts';
import { engine } from '../../src-main/contract/engine.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { fakeEngine, type Mood } from './fake-engine.ts';

const channel = childChannel(process as ChildLike);
const die = ({
  code,
  signal,
  lines,
}: {
  code: number | null;
  signal: string | null;
  lines: string;
}): void => {
  process.stderr.write(lines, () => {
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 0);
  });
};
const serving = serve(
  engine,
  fakeEngine({
    mood: (process.env['FAKE_ENGINE'] ?? 'obey') as Mood,
    die,
    pace: Number(process.env['FAKE_PACE'] ?? 1),
  }),
  channel,
);
channel.onClose(() => {
  if (process.env['FAKE_ENGINE'] === 'deaf') {
    setInterval(() => undefined, 1000);
    return;
  }
  setInterval(() => {
    if (serving.pending() === 0) process.exit(0);
  }, 2);
});
