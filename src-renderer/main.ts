/** @file The page's start: takes the way in while the first module runs, then mounts the app. */
import '../src-main/contract/no-eval.ts';
import { mount } from 'svelte';
import App from './app.svelte';
import { dialFromHere, startAgainOnToken, takeToken } from './service.ts';
import { Link } from './state/link.svelte.ts';
import { currentPlace } from './state/current-host.ts';
import { dialPlace } from './state/remote-host.ts';
import './styles/tokens.css';
import './styles/base.css';

takeToken();
startAgainOnToken();
const home = new Link(dialFromHere());
const place = currentPlace();
mount(App, {
  target: document.getElementById('app')!,
  props: { link: place === null ? home : new Link(dialPlace(home, place)), place, atHome: home },
});
