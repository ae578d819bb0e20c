/**
 * @file Turns off zod's compiled checks, because the content security policy of the page forbids eval. Must be
 * imported before the first schema is created.
 */
import { config } from 'zod';

config({ jitless: true });
