/**
 * @file A program of its own that starts a run with a forked fake engine, which outlives it, and sends the folder of
 * the run. Its arguments are the home, the folder of the run, and the text.
 */
import { join } from 'node:path';
import { createForkedProcesses } from '../../src-main/entry/node/processes.ts';
import { createService } from '../../src-main/service/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { exampleCheckpoint, noTunnel, testEnvironment, trainingSettings } from './test-service.ts';

const [home, out, text] = process.argv.slice(2) as [string, string, string];
const processes = createForkedProcesses(join(import.meta.dirname, 'fake-engine-child.ts'));
const behavior = process.env['FAKE_ENGINE'];
const { api } = createService(
  {
    home: openHome(home),
    processes: {
      spawn(options) {
        // Only the engine of the run, which has a log, behaves badly: others list devices.
        process.env['FAKE_ENGINE'] = options.log === undefined ? 'obey' : behavior;
        return processes.spawn(options);
      },
    },
    environment: testEnvironment,
    tunnel: noTunnel,
  },
  { detached: true },
);
const settings = trainingSettings({ tokens: 1_000_000 });
const { dir } = await api.startRun({ checkpoint: exampleCheckpoint, data: [text], settings, out });
process.send!(dir);
setInterval(() => undefined, 1000); // keeps the process alive
