/** @file The app over a fake service, to be looked at. Not part of the product. */
import { mount } from 'svelte';
import App from '../../../src-renderer/app.svelte';
import { channelPair } from '../../../src-main/base/channel.ts';
import { service as contract } from '../../../src-main/contract/service.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import { Link } from '../../../src-renderer/state/link.svelte.ts';
import { fakeService } from '../fake-service.ts';
import '../../../src-renderer/styles/tokens.css';
import '../../../src-renderer/styles/base.css';

const [near, far] = channelPair();
serve(contract, fakeService(40), far);
mount(App, {
  target: document.getElementById('app')!,
  props: {
    link: new Link({
      start(opened) {
        opened(near);
      },
    }),
  },
});
