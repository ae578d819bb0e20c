/** @file The trainer computes batches, learning rates and random numbers as Cambium's engine does. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../../src-main/launch/commands.ts';
import { findTrainer } from '../../src-main/launch/python.ts';
import { fixtures } from '../support/golden.ts';
import { describeTorch, python } from './torch-run.ts';

describeTorch('the functions of the trainer', () => {
  it('are those of the fixture: batches of 10,000 steps, learning rates, random numbers', async () => {
    const script = join(import.meta.dirname, 'check_functions.py');
    const fixture = join(fixtures, 'torch', 'functions.json');
    const { output, errors } = await runCommand([python, script, fixture, findTrainer()]);
    expect(output.trim(), errors).toBe('ok');
  });
});
