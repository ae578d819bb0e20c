/** @file What the page's suites wait for may take long on a busy machine. */
import { configure } from '@testing-library/svelte';

configure({ asyncUtilTimeout: 20_000 });
