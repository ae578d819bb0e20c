/** @file Serves the sample contract in a forked process. */
import { createChildChannel, type ChildLike } from '../../src-main/base/transports.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { sampleContract, createSampleApi } from './sample-contract.ts';

const channel = createChildChannel(process as ChildLike);
serve(
  sampleContract,
  createSampleApi((how) => {
    if (how === 'exit') process.exit(3);
    else process.kill(process.pid, 'SIGKILL');
  }),
  channel,
);
channel.onClose(() => process.exit(0));
