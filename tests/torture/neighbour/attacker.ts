/** @file The process of the attacker: runs one attack, named by its parent, and sends back what it gained. */
import { attacks, denials, type Target } from './attacks.ts';

process.on('message', ({ name, target }: { readonly name: string; readonly target: Target }) => {
  const attack = attacks[name] ?? denials[name]!;
  attack(target).then(
    (gained) => process.send!({ gained }),
    (error: unknown) =>
      process.send!({ gained: `the attack itself failed: ${(error as Error).stack ?? String(error)}` }),
  );
});
process.send!('ready');
