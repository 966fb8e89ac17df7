import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { foundMethods, METHOD_GROUPS, takesText } from './method-groups.ts';

const names = (groups: ReturnType<typeof foundMethods>) =>
  groups.flatMap(({ methods }) => methods.map(({ name }) => name));

describe('the groups of methods', () => {
  it('hold every method once', () => {
    expect(names([...METHOD_GROUPS]).sort()).toEqual([...METHODS.keys()].sort());
  });

  it('are narrowed down by any words of name, title, family, sentence or what is taken', () => {
    expect(names(foundMethods(''))).toHaveLength(METHODS.size);
    expect(names(foundMethods('DARE ties'))).toEqual(['dare_ties']);
    expect(names(foundMethods('dare_ties'))).toEqual(['dare_ties']);
    expect(names(foundMethods('breadcrumbs')).sort()).toEqual(['breadcrumbs', 'breadcrumbs_ties']);
    expect(names(foundMethods('  base + 1   model'))).toEqual(expect.arrayContaining(['slerp', 'nearswap']));
    expect(foundMethods('zzz')).toEqual([]);
  });

  it('say what a method takes', () => {
    const takes = (base: 'required' | 'optional' | 'none', min: number, max: number) =>
      takesText({ base, models: { min, max } });
    expect(takes('required', 1, 1)).toBe('base + 1 model');
    expect(takes('required', 1, 16)).toBe('base + models');
    expect(takes('optional', 2, 2)).toBe('2 models, base optional');
    expect(takes('none', 2, 16)).toBe('2 or more models');
  });
});
