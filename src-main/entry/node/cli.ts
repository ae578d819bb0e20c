/** @file The process of the command line. The first Ctrl+C asks the command to stop, the second one ends it. */
import { join } from 'node:path';
import { createService } from '../../service/service.ts';
import { openHome } from '../../service/dependencies.ts';
import { detectEnvironment, findInstallation } from '../environment.ts';
import { createTunnelOpener } from '../tunnel.ts';
import { createForkedProcesses } from './processes.ts';
import { runProgram } from './program.ts';

const here = import.meta.dirname;
const root = findInstallation(here);
const isSource = import.meta.filename.endsWith('.ts');
const engineScript = isSource ? join(here, '../../engine/main.ts') : join(here, 'engine.js');
const processes = createForkedProcesses(engineScript);
const controller = new AbortController();
/** A terminal and a parent process may both send the signal of one Ctrl+C, within these milliseconds. */
const repeatWindow = 400;
let firstSignalTime = 0;

function onSignal(): void {
  if (!controller.signal.aborted) {
    firstSignalTime = Date.now();
    controller.abort();
    return;
  }
  if (Date.now() - firstSignalTime < repeatWindow) return;
  processes.killAll();
  process.exit(130);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

// A reader may close early, as in `cambium runs | head`.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });

const environment = detectEnvironment(here);
const tunnel = createTunnelOpener('ssh', environment.version);
const code = await runProgram(process.argv.slice(2), {
  version: environment.version,
  start: (options) => createService({ home: openHome(), processes, environment, tunnel }, options),
  streams: { out: process.stdout, err: process.stderr },
  signal: controller.signal,
  pages: join(root, 'out', 'renderer'),
  browser: environment.browser,
});
process.stdout.write('', () => {
  process.stderr.write('', () => process.exit(code));
});
