/**
 * @file The service of a remote host. What the host sends is checked by the schemas of the contract before anything
 * uses it, so that a broken or hostile host causes an error with its name and nothing else.
 */
import type { Channel } from '../base/channel.ts';
import { refuse } from '../base/errors.ts';
import { answers } from './answers/index.ts';
import { errorData } from './answers/shared-schemas.ts';
import { connect } from './connect.ts';
import { describeIssue } from './serve.ts';
import { service, type Service } from './service.ts';

/** As `connect`. Calls and streams also throw `remote/bad-answer`. */
export const connectRemote = (channel: Channel, host: string): Service =>
  connect(service, channel, {
    value(call, value) {
      const checked = answers[call as keyof Service].safeParse(value);
      if (checked.success) return checked.data;
      return refuse('remote/bad-answer', { host, call, why: describeIssue(checked.error.issues[0]) });
    },
    error(call, error) {
      const checked = errorData.safeParse(error);
      if (checked.success) return checked.data;
      return refuse('remote/bad-answer', { host, call, why: 'its error is none of Cambium' });
    },
  });
