/** @file The exercise in a forked process. */
import { childChannel, type ChildLike } from '../../src-main/base/transports.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { exercise, exerciser } from './exercise.ts';

const channel = childChannel(process as ChildLike);
serve(
  exercise,
  exerciser((how) => {
    if (how === 'exit') process.exit(3);
    else process.kill(process.pid, 'SIGKILL');
  }),
  channel,
);
channel.onClose(() => process.exit(0));
