/** @file Setup of the page's tests: longer timeouts, because a busy machine is slow. */
import { configure } from '@testing-library/svelte';

configure({ asyncUtilTimeout: 20_000 });
