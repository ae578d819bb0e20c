/** @file Runs the fake engine in a forked process. FAKE_ENGINE is its behavior, FAKE_PACE its `stepMs`. */
import { createChildChannel, type ChildLike } from '../../src-main/base/transports.ts';
import { engine } from '../../src-main/contract/engine.ts';
import { serve } from '../../src-main/contract/serve.ts';
import type { Exit } from '../../src-main/service/engines.ts';
import { fakeEngine, type FakeBehavior } from './fake-engine.ts';

const channel = createChildChannel(process as ChildLike);
const behavior = (process.env['FAKE_ENGINE'] ?? 'obey') as FakeBehavior;

/** Writes the last lines to stderr, then ends the process. */
function die({ code, signal, lines }: Exit): void {
  process.stderr.write(lines, () => {
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 0);
  });
}
const serving = serve(
  engine,
  fakeEngine({ behavior, die, stepMs: Number(process.env['FAKE_PACE'] ?? 1) }),
  channel,
);
if (behavior === 'deaf') process.on('SIGTERM', () => undefined);
channel.onClose(() => {
  if (behavior === 'deaf') {
    setInterval(() => undefined, 1000); // keeps the process alive
    return;
  }
  setInterval(() => {
    if (serving.pending() === 0) process.exit(0);
  }, 2);
});
