/** @file The page's start: takes the way in while the first module runs, then mounts the app. */
import { mount } from 'svelte';
import App from './app.svelte';
import { dialFromHere, startAgainOnToken, takeToken } from './service.ts';
import { Link } from './state/link.svelte.ts';
import './styles/tokens.css';
import './styles/base.css';

takeToken();
startAgainOnToken();
mount(App, { target: document.getElementById('app')!, props: { link: new Link(dialFromHere()) } });
