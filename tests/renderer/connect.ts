/** @file Connects the page to a service in the same process. */
import { createChannelPair } from '../../src-main/base/channel.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { service as contract, type Service } from '../../src-main/contract/service.ts';
import { Connection } from '../../src-renderer/state/connection.svelte.ts';

export const connectTo = (service: Service): Connection =>
  new Connection({
    start(onOpen) {
      const [near, far] = createChannelPair();
      serve(contract, service, far);
      onOpen(near);
    },
  });
