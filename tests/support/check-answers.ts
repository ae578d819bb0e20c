/** @file Checks in every test of the service that its answers are those of the contract. */
import { isDeepStrictEqual } from 'node:util';
import { answers } from '../../src-main/contract/answers/index.ts';
import { service, type Service } from '../../src-main/contract/service.ts';

/**
 * The same service, whose answers must pass the schemas that callers of a remote host check them with, as JSON, and
 * lose no field by that.
 */
export function checkAnswers(api: Service): Service {
  const check = <T>(name: keyof Service, value: T): T => {
    const sent: unknown = JSON.parse(JSON.stringify(value));
    const parsed = answers[name].safeParse(sent);
    if (!parsed.success)
      throw new Error(`${name} does not answer as its schema says: ${parsed.error.message}`);
    if (!isDeepStrictEqual(parsed.data, sent))
      throw new Error(`The schema of ${name} leaves fields out, or adds some.`);
    return value;
  };
  async function* checkItems<T>(name: keyof Service, items: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of items) yield check(name, item);
  }
  return Object.fromEntries(
    Object.entries(api).map(([key, procedure]) => {
      const name = key as keyof Service;
      const call = procedure as (...given: unknown[]) => Promise<unknown> | AsyncIterable<unknown>;
      return [
        name,
        service[name].kind === 'call'
          ? (...given: unknown[]) => (call(...given) as Promise<unknown>).then((value) => check(name, value))
          : (...given: unknown[]) => checkItems(name, call(...given) as AsyncIterable<unknown>),
      ];
    }),
  ) as unknown as Service;
}
