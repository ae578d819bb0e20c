/** @file Starts the page: connects to the service and mounts the app. */
import '../src-main/contract/no-eval.ts';
import '@fontsource-variable/inter';
import { mount } from 'svelte';
import App from './app.svelte';
import { Connection } from './state/connection.svelte.ts';
import { currentHost } from './state/current-host.ts';
import { createRemoteTransport } from './state/remote-host.ts';
import { createLocalTransport, reloadOnNewToken, takeToken } from './transport.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/layout.css';

takeToken();
reloadOnNewToken();
const local = new Connection(createLocalTransport());
const host = currentHost();
const connection = host === null ? local : new Connection(createRemoteTransport(local, host));
mount(App, { target: document.getElementById('app')!, props: { connection, host, local } });
