/** From what a kind of command is made: fixed words and makers of arguments. */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** One kind of command and how often it comes within its group. */
export interface CommandRule {
  readonly weight: number;
  make(random: SeededRandom): Argument[];
}

export type Part = Argument | ((random: SeededRandom) => Argument | Argument[]);

/** A rule from fixed words and makers of arguments, with a weight in front. */
export function rule(weight: number, ...parts: Part[]): CommandRule {
  return {
    weight,
    make: (random) => parts.flatMap((part) => (typeof part === 'function' ? part(random) : part)),
  };
}

/** One of the alternatives, each a list of parts; an empty list leaves the option out. */
export function oneOf(...alternatives: Part[][]): (random: SeededRandom) => Argument[] {
  return (random) => rule(1, ...random.pick(alternatives)).make(random);
}

/** The parts with the given probability. */
export function maybe(probability: number, ...parts: Part[]): (random: SeededRandom) => Argument[] {
  return (random) => (random.chance(probability) ? rule(1, ...parts).make(random) : []);
}

/** One to `most` times what the parts make. */
export function several(most: number, ...parts: Part[]): (random: SeededRandom) => Argument[] {
  return (random) =>
    Array.from({ length: random.integer(1, most) }, () => rule(1, ...parts).make(random)).flat();
}
