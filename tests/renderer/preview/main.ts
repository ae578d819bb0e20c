/** @file Mounts the app with a fake service, to preview it. Not part of the product. */
import '@fontsource-variable/inter';
import { mount } from 'svelte';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';
import '../../../src-renderer/styles/tokens.css';
import '../../../src-renderer/styles/base.css';
import '../../../src-renderer/styles/controls.css';
import '../../../src-renderer/styles/layout.css';

mount(App, {
  target: document.getElementById('app')!,
  props: { connection: connectTo(createFakeService(40)) },
});
