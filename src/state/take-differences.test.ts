import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { setFilteredValue, setMuted } from '../recipe/edit.ts';
import { diagnoseRecipe, newRecipe, setModels, setParameter } from '../recipe/yaml.ts';
import { withMethod } from './method-switch.ts';
import { takeDifferences } from './take-differences.ts';

const OPEN = ['base', 'm1', 'm2', 'm3'];
const LINEAR = newRecipe({ method: 'linear', base: 'base', models: ['m1', 'm2', 'm3'] });
const VARM = newRecipe({ method: 'varm', base: 'base', models: ['m1', 'm2', 'm3'] });
const weight = (text: string, model: string, value: number) => setParameter(text, { model, name: 'weight', value });

describe('the differences between two recipes in words', () => {
  it('are none between a text and itself, and the layout alone where only comments differ', () => {
    expect(takeDifferences(VARM, VARM)).toBe('the same recipe');
    expect(takeDifferences(VARM, `# mine\n${VARM}`)).toBe('only comments or layout differ');
    expect(takeDifferences(VARM, 'merge_method: [')).toBe('the text differs');
  });

  it('name one value, and count several', () => {
    const one = weight(VARM, 'm1', 0.5);
    expect(takeDifferences(VARM, one)).toBe('weight of m1 unset → 0.5');
    expect(takeDifferences(one, weight(one, 'm1', 0.25))).toBe('weight of m1 0.5 → 0.25');
    expect(takeDifferences(VARM, weight(one, 'm2', 2))).toBe('2 values of weight differ');
  });

  it('name no model where a value holds for all', () => {
    const of = (value: string) => setParameter(VARM, { model: null, name: 'granularity', value });
    expect(takeDifferences(of('tensor'), of('layer'))).toBe('granularity tensor → layer');
  });

  it('count the value of a filter by itself', () => {
    const one = weight(VARM, 'm1', 0.5);
    const cell = (value: number) => setFilteredValue(one, { model: 'm1', name: 'weight', filter: 'mlp', value });
    expect(takeDifferences(one, cell(0.7))).toBe('weight of m1 unset → 0.7');
    expect(takeDifferences(cell(0.7), cell(0.8))).toBe('weight of m1 0.7 → 0.8');
  });

  it('name models that came and went, and do not count what went with them', () => {
    const written = weight(VARM, 'm3', 0.5);
    const without = setModels(written, ['m1', 'm2']);
    expect(takeDifferences(written, without)).toBe('without m3');
    expect(takeDifferences(without, written)).toBe('with m3');
    expect(takeDifferences(VARM, setModels(VARM, ['m2', 'm1', 'm3']))).toBe('models in another order');
  });

  it('name models that are muted', () => {
    const muted = setMuted(VARM, ['m2'], true);
    expect(takeDifferences(VARM, muted)).toBe('m2 muted');
    expect(takeDifferences(muted, VARM)).toBe('m2 no more muted');
  });

  it('name the method by its title', () => {
    const { recipe } = diagnoseRecipe(VARM);
    const ties = METHODS.get('ties');
    if (!recipe || !ties) throw new Error('no recipe');
    const words = takeDifferences(VARM, withMethod(VARM, recipe, ties, OPEN, null));
    expect(words).toContain(`method ${METHODS.get('varm')?.title} → ${ties.title}`);
    expect(takeDifferences(LINEAR, VARM)).toContain('method ');
  });

  it('name the base and the dtype', () => {
    expect(takeDifferences(VARM, VARM.replace('base_model: base', 'base_model: other'))).toBe('base base → other');
    expect(takeDifferences(VARM, `${VARM}out_dtype: float16\n`)).toMatch(/^saved as F16 instead of /);
  });
});
