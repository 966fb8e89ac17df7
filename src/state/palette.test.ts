/** The palette's list over a real workbench: what it offers, what fits what was typed, what it does. */

import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { checkpoint, checkReport, engineDouble, weightsMap } from './engine-double.ts';
import { helpTopics } from './help-topics.ts';
import { foundEntries, paletteEntries } from './palette.ts';
import { createWorkbench } from './workbench.ts';

async function bench(names: readonly string[] = []) {
  const double = engineDouble();
  double.answer('check', () => checkReport());
  double.answer('weigh', () => weightsMap(names));
  const workbench = createWorkbench(double.engine, {
    fetch: () => Promise.reject(new Error('no network in tests')),
    pickFolder: null,
    download: () => undefined,
    copy: async () => undefined,
  });
  if (names.length > 0) {
    double.answer('add', () => ({ added: names.map((name) => checkpoint(name)), faults: [] }));
    await workbench.studio.open([{ path: 'x/model.safetensors', file: new File([], 'model.safetensors') }]);
  }
  const entries = () => paletteEntries({ ...workbench, topics: helpTopics(workbench.commands) });
  const find = (typed: string) => foundEntries(entries(), typed).map(({ label }) => label);
  const entry = (label: string) => {
    const found = entries().find((own) => own.label === label);
    if (!found) throw new Error(`${label} is missing`);
    return found;
  };
  return { ...workbench, entries, find, entry };
}

describe('what the palette offers', () => {
  it('is every command but its own, every method and every topic of the help, each under a name of its own', async () => {
    const { entries, commands } = await bench();
    const labels = entries().map(({ label }) => label);
    for (const { name, label, isHidden } of Object.values(commands)) {
      expect(labels.includes(label), label).toBe(name !== 'openPalette' && isHidden?.() !== true);
    }
    for (const { title } of METHODS.values()) expect(labels).toContain(`Method: ${title}`);
    for (const { title } of helpTopics(commands)) expect(labels).toContain(`Help: ${title}`);
    expect(new Set(entries().map(({ key }) => key)).size).toBe(entries().length);
  });

  it('says why something cannot be used', async () => {
    const { entry } = await bench();
    expect(entry('Method: TIES')).toMatchObject({ isEnabled: false, obstacle: expect.stringContaining('Open a base') });
    expect(entry('Merge').isEnabled).toBe(false);
    expect(entry('Open samples').isEnabled).toBe(true);
  });
});

describe('what fits what was typed', () => {
  it('has all words, in any order and in any case', async () => {
    const { find } = await bench();
    expect(find('chat new')[0]).toBe('New chat');
    expect(find('NEW CHAT')[0]).toBe('New chat');
    expect(find('numbers help')[0]).toBe('Help: What the numbers mean');
    expect(find('samples without')[0]).toBe('Open samples without merging');
  });

  it('is found by its group, its sentence and its name in recipes, after what has it in its label', async () => {
    const { find } = await bench();
    expect(find('dare_ties')[0]).toBe(`Method: ${METHODS.get('dare_ties')?.title}`);
    expect(find('merge')[0]).toBe('Merge');
    expect(find('variation ratio')[0]).toBe('Method: Variation ratio (VaRM)');
  });

  it('forgives letters that were left out, and finds nothing where nothing fits', async () => {
    const { find } = await bench();
    expect(find('smpls')).toContain('Open samples');
    expect(find('xylophone')).toEqual([]);
    expect(find('  ').length).toBeGreaterThan(40);
  });
});

describe('what it does', () => {
  it('chooses a method, with the models that it takes', async () => {
    const { entry, studio } = await bench(['a-base', 'b-one', 'c-two']);
    expect(entry('Method: Variation ratio (VaRM)')).toMatchObject({ isEnabled: false, obstacle: 'In use.' });
    await entry('Method: SLERP').perform();
    expect(studio.store.getState().recipe).toMatchObject({ method: 'slerp', base: 'a-base' });
    expect(studio.store.getState().recipe?.models.map(({ model }) => model)).toEqual(['b-one']);
    studio.history.undo();
    expect(studio.store.getState().recipe?.models).toHaveLength(2);
  });

  it('opens the help at a topic', async () => {
    const { entry, view } = await bench();
    await entry('Help: The recipe').perform();
    expect(view.store.getState()).toMatchObject({ overlay: 'help', helpTopic: 'recipe' });
  });
});
