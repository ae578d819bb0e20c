/**
 * @file The page's content policy forbids eval, and zod would try it to make its checks faster. Imported
 * before any schema is made.
 */
import { config } from 'zod';

config({ jitless: true });
