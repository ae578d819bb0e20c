/** @file The command line's process: Ctrl+C as a request, then as an order. */
import { join } from 'node:path';
import { createService } from '../../service/service.ts';
import { openHome } from '../../service/dependencies.ts';
import { installation, surroundingsOf } from '../environment.ts';
import { tunnelsBy } from '../tunnel.ts';
import { forkProcesses } from './processes.ts';
import { runProgram } from './program.ts';

const here = import.meta.dirname;
const root = installation(here);
const processes = forkProcesses(
  import.meta.filename.endsWith('.ts') ? join(here, '../../engine/main.ts') : join(here, 'engine.js'),
);
const stop = new AbortController();
/** A terminal and a parent may send the same signal one after the other, in milliseconds. */
const echo = 400;
let asked = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!stop.signal.aborted) {
      asked = Date.now();
      stop.abort();
      return;
    }
    if (Date.now() - asked < echo) return;
    processes.killAll();
    process.exit(130);
  });
}
// A reader that has gone (`cambium runs | head`, `cambium train 2>&1 | head`) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });

const surroundings = surroundingsOf(here);
const code = await runProgram(process.argv.slice(2), {
  version: surroundings.version,
  start: (options) =>
    createService(
      { home: openHome(), processes, surroundings, tunnel: tunnelsBy('ssh', surroundings.version) },
      options,
    ),
  streams: { out: process.stdout, err: process.stderr },
  signal: stop.signal,
  pages: join(root, 'out', 'renderer'),
  browser: surroundings.browser,
});
process.stdout.write('', () => {
  process.stderr.write('', () => process.exit(code));
});
