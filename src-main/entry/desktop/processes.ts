/** @file Starts engines as Electron's utility processes: the same script, another host. They end with the app. */
import { appendFileSync } from 'node:fs';
import { utilityProcess } from 'electron';
import { utilityChannel } from '../../base/transports.ts';
import type { EngineProcess, Exit, Processes } from '../../service/engines.ts';
import { withoutTokens } from '../../service/secrets.ts';

/** How much of its standard error an error carries, in characters. */
const kept = 4000;

export function utilityProcesses(script: string): Processes {
  return {
    async spawn({ log }) {
      const child = utilityProcess.fork(script, [], { stdio: ['ignore', 'ignore', 'pipe'], serviceName: 'Cambium engine', env: withoutTokens(process.env) as Record<string, string> });
      let lines = '';
      child.stderr?.on('data', (bytes: Buffer) => {
        const text = bytes.toString('utf8');
        lines = (lines + text).slice(-kept);
        if (log !== undefined) appendFileSync(log, text);
      });
      const exited = new Promise<Exit>((resolve) => { child.once('exit', (code) => { resolve({ code, signal: null, lines }); }); });
      await Promise.race([new Promise<void>((resolve) => { child.once('spawn', () => { resolve(); }); }), exited]);
      return { ...utilityChannel(child), kill() { child.kill(); }, exited } satisfies EngineProcess;
    },
  };
}
