/** Method groups: the methods as menus list them, by family, and narrowed down by words. Pure. */

import { METHODS } from '../methods/index.ts';
import { FAMILIES, type Family, type Method } from '../methods/method.ts';

/** The methods of one family, by name: those that belong together have names that begin alike. */
export interface MethodGroup {
  readonly family: Family;
  readonly methods: readonly Method[];
}

/** Every family that has methods, in the order of the docs. */
export const METHOD_GROUPS: readonly MethodGroup[] = FAMILIES.map((family) => ({
  family,
  methods: [...METHODS.values()]
    .filter((method) => method.family === family)
    .sort((a, b) => a.name.localeCompare(b.name)),
})).filter(({ methods }) => methods.length > 0);

/** What a method takes, in a few words: `base + 1 model`, `2 models`, `models, or base + models`. */
export function takesText({ base, models: { min, max } }: Pick<Method, 'base' | 'models'>): string {
  const models = min === max ? `${min} model${min === 1 ? '' : 's'}` : min > 1 ? `${min} or more models` : 'models';
  if (base === 'required') return `base + ${models}`;
  return base === 'optional' ? `${models}, base optional` : models;
}

/** The groups whose methods have all of the words in name, title, family, sentence or in what they take. */
export function foundMethods(words: string, groups: readonly MethodGroup[] = METHOD_GROUPS): MethodGroup[] {
  const wanted = words
    .toLowerCase()
    .split(/[\s_-]+/)
    .filter(Boolean);
  return groups.flatMap(({ family, methods }) => {
    const found = methods.filter((method) => {
      const text = [method.name, method.title, family, method.summary, takesText(method)].join(' ').toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    return found.length > 0 ? [{ family, methods: found }] : [];
  });
}
