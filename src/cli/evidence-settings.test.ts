import { describe, expect, it } from 'vitest';
import { parseRecipe } from '../recipe/yaml.ts';
import { settingsOf } from './evidence-settings.ts';

describe('settingsOf', () => {
  const family = ['base', 'a', 'b', 'c'].map((folder) => ({ folder, skill: folder === 'base' ? null : folder }));
  const settings = settingsOf('base', family);

  it('has the base, each parent, and every way of merging, each once', () => {
    const count = (kind: string) => settings.filter((setting) => setting.kind === kind).length;
    expect(['base', 'parent', 'linear', 'task', 'varm'].map(count)).toEqual([1, 3, 1, 8, 7]);
    expect(new Set(settings.map(({ title }) => title)).size).toBe(settings.length);
    expect(new Set(settings.map(({ recipe }) => recipe)).size).toBe(settings.length);
  });

  it.each(settings.map(({ title, kind, recipe }) => [title, kind, recipe] as const))(
    '%s is a recipe',
    (_, kind, text) => {
      const recipe = parseRecipe(text);
      const isAlone = kind === 'base' || kind === 'parent';
      expect(recipe.models).toHaveLength(isAlone ? 1 : 3);
      expect(recipe.base).toBe(kind === 'task' || kind === 'varm' ? 'base' : null);
    },
  );
});
