/**
 * @file A real Slurm of two nodes on this computer, for tests: munged, slurmctld and two slurmd with a configuration of
 * their own. Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { freshFolder } from '../support/temporary.ts';

const programs = ['munged', 'slurmctld', 'slurmd', 'sbatch'];
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
const find = (name: string): string | undefined =>
  folders.map((folder) => join(folder, name)).find((path) => existsSync(path));

/** True if this computer can run the cluster. */
export const hasSlurm = process.getuid?.() === 0 && programs.every((name) => find(name) !== undefined);

export interface Cluster {
  /** The value of SLURM_CONF. */
  readonly config: string;
  stop(): void;
}

const configuration = (dir: string, host: string, port: number): string => `
ClusterName=cambium
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${port}
AuthType=auth/munge
AuthInfo=socket=${dir}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${dir}/state
SlurmdSpoolDir=${dir}/spool/%n
SlurmctldPidFile=${dir}/slurmctld.pid
SlurmdPidFile=${dir}/%n.pid
SlurmctldLogFile=${dir}/slurmctld.log
SlurmdLogFile=${dir}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
MpiDefault=none
ReturnToService=2
MinJobAge=300
JobRequeue=1
SlurmdParameters=config_overrides
NodeName=node[1-2] NodeHostname=${host} NodeAddr=127.0.0.1 Port=[${port + 1}-${port + 2}] CPUs=4 State=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
`;

/** Starts the cluster and waits until both nodes are idle. */
export async function startCluster(): Promise<Cluster> {
  const dir = freshFolder('slurm');
  const config = join(dir, 'slurm.conf');
  for (const folder of ['state', 'spool/node1', 'spool/node2'])
    mkdirSync(join(dir, folder), { recursive: true });
  writeFileSync(join(dir, 'munge.key'), randomBytes(1024), { mode: 0o400 });
  writeFileSync(config, configuration(dir, hostname().split('.')[0]!, 20_000 + (process.pid % 20_000)));
  const environment = { ...process.env, SLURM_CONF: config };
  const run = (name: string, ...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(find(name)!, args, { encoding: 'utf8', env: environment });
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
    return stdout;
  };
  const munge = ['key', 'socket', 'pid', 'seed', 'log'].map(
    (name) => `--${toMungeFlag(name)}=${dir}/munge.${name}`,
  );
  run('munged', '--force', ...munge);
  run('slurmctld');
  run('slurmd', '-N', 'node1');
  run('slurmd', '-N', 'node2');
  while (run('sinfo', '-h', '-t', 'idle', '-o', '%D').trim() !== '2')
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
  return {
    config,
    stop() {
      spawnSync('scancel', ['--user=root'], { env: environment });
      for (const name of ['node1', 'node2', 'slurmctld', 'munge']) endProcess(join(dir, `${name}.pid`));
    },
  };
}

const toMungeFlag = (name: string): string => (name === 'socket' ? name : `${name}-file`);

function endProcess(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
  } catch {
    // It has ended.
  }
}
