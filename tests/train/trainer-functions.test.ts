/** @file What the PyTorch trainer computes as Cambium does. tests/torch compares Python with the same fixture. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fixtures } from '../support/golden.ts';
import { trainerFunctions } from '../support/trainer-functions.ts';

const stored: unknown = JSON.parse(readFileSync(join(fixtures, 'torch', 'functions.json'), 'utf8'));

it('batches of 10,000 steps, learning rates and random numbers are those of the fixture', () => {
  expect(trainerFunctions()).toEqual(stored);
});
