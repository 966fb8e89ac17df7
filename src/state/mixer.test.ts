/** The mixer over a studio: every gesture is one entry of the history, locks hold, and the map shows what the text says. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MapDetail, placesOf } from '../merge/map-places.ts';
import { METHODS } from '../methods/index.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { resolveValues } from '../recipe/resolve.ts';
import { setEntry } from '../recipe/filter-list.ts';
import { applyPreset } from '../recipe/preset.ts';
import { parseRecipe, setParameter } from '../recipe/yaml.ts';
import type { WeightsMap } from './engine-api.ts';
import { engineDouble } from './engine-double.ts';
import type { CellPlace } from './map-navigation.ts';
import { createMixer } from './mixer.ts';
import { lockOn } from './mixer-locks.ts';
import { createStudio } from './studio.ts';
import { createView } from './view.ts';

const TEXT = `# Mine.
merge_method: task_arithmetic
base_model: base
models:
  - model: a # the first
    parameters:
      weight: 0.5
  # The second.
  - model: b
    parameters:
      weight:
        - filter: model.layers.1.mlp.
          value: 0.3 # by ear
        - value: 0.25
  - model: c
`;

const LAYER = ['self_attn.q_proj', 'self_attn.k_proj', 'mlp.up_proj', 'mlp.down_proj', 'input_layernorm'];
const TENSORS = [
  'model.embed_tokens.weight',
  ...[0, 1, 2, 3].flatMap((layer) => LAYER.map((part) => `model.layers.${layer}.${part}.weight`)),
  'model.norm.weight',
].map((name) => ({ name, elements: 4 }));

/** What the engine would answer: the weights that the recipe gives each cell. */
function mapOf(recipe: Recipe, detail: MapDetail): WeightsMap {
  const method = METHODS.get(recipe.method);
  if (!method?.handle) throw new Error('no handle');
  const { handle } = method;
  const { rows, columns, parts } = placesOf(TENSORS, detail);
  const weightOf = (name: string, k: number) =>
    resolveValues(recipe, method, name, 4).perModel[k]?.[handle] ?? Number.NaN;
  return {
    detail,
    models: recipe.models.map(({ model }) => model),
    isMuted: recipe.models.map(({ isMuted }) => isMuted === true),
    handle,
    handleMin: 0,
    handleMax: 2,
    rows,
    columns,
    note: '',
    cells: parts.map(({ row, column, filters, tensors }) => {
      const all = recipe.models.map((_, k) => tensors.map(({ name }) => weightOf(name, k)));
      return {
        row,
        column,
        filters,
        tensors: tensors.length,
        elements: tensors.length * 4,
        weights: all.map((own) => own.reduce((sum, weight) => sum + weight, 0) / own.length),
        ranges: all.map((own) => [Math.min(...own), Math.max(...own)] as const),
        rmsChange: null,
        changedShare: null,
        isSet: recipe.models.map(() => false),
        setBy: recipe.models.map(() => null),
      };
    }),
  };
}

function bench(text = TEXT) {
  const studio = createStudio(engineDouble().engine);
  const view = createView();
  const mixer = createMixer(studio, view, () => TENSORS.map(({ name }) => name));
  studio.history.reset(text);
  const follow = () => {
    const { recipe, problems } = studio.store.getState();
    if (recipe && problems.length === 0) studio.store.setState({ map: mapOf(recipe, view.store.getState().mapDetail) });
  };
  follow();
  const map = () => {
    const { map: own } = studio.store.getState();
    if (!own) throw new Error('no map');
    return own;
  };
  /** A place by the words on the map. */
  const at = (row: string, column: string | null, model = 'a'): CellPlace => ({
    row: map().rows.findIndex(({ label }) => label === row),
    column: column === null ? -1 : map().columns.indexOf(column),
    model: column === null ? 0 : map().models.indexOf(model),
  });
  /** What the recipe gives a tensor. */
  const weight = (tensor: string, model = 'a') => {
    const recipe = parseRecipe(studio.history.text());
    const method = METHODS.get(recipe.method);
    if (!method) throw new Error('no method');
    const k = recipe.models.findIndex((own) => own.model === model);
    return resolveValues(recipe, method, tensor, 4).perModel[k]?.weight;
  };
  const state = () => mixer.store.getState();
  return { studio, view, mixer, follow, map, at, weight, state, text: () => studio.history.text() };
}

/** How many steps lead back to the first text. */
function stepsBack(b: ReturnType<typeof bench>): number {
  let steps = 0;
  for (; b.studio.history.canUndo(); steps++) b.studio.history.undo();
  return steps;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('setting', () => {
  it('sets a cell, a row and a block of a group, each as one step, and keeps comments', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 2', 'mlp'));
    b.mixer.setSelected(0.75);
    expect(b.weight('model.layers.2.mlp.up_proj.weight')).toBe(0.75);
    expect(b.weight('model.layers.2.input_layernorm.weight')).toBe(0.5);
    b.mixer.focus(b.at('layer 3', null));
    b.mixer.setSelected(0.1);
    for (const model of ['a', 'b', 'c']) expect(b.weight('model.layers.3.self_attn.q_proj.weight', model)).toBe(0.1);
    b.view.change({ mapDetail: 'groups' });
    b.follow();
    b.mixer.focus(b.at('layer 0', 'attention', 'c'));
    b.mixer.setSelected(0.9);
    expect(b.weight('model.layers.0.self_attn.k_proj.weight', 'c')).toBe(0.9);
    for (const comment of ['# Mine.', '# the first', '# The second.', '# by ear']) expect(b.text()).toContain(comment);
    expect(stepsBack(b)).toBe(3);
    expect(b.text()).toBe(TEXT);
  });

  it('reaches over a selection, and one burst of a key is one step', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 0', 'mlp', 'a'));
    b.mixer.focus(b.at('layer 2', 'mlp', 'b'), true);
    b.mixer.nudgeSelected(0.05);
    b.mixer.nudgeSelected(0.05);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'a')).toBeCloseTo(0.6, 9);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBeCloseTo(0.4, 9);
    expect(b.weight('model.layers.2.mlp.up_proj.weight', 'b')).toBeCloseTo(0.35, 9);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'c')).toBe(1);
    expect(stepsBack(b)).toBe(1);
  });

  it('gives back what was set there and what was set within, and says where more than that is set', () => {
    const b = bench();
    b.view.change({ mapDetail: 'tensors' });
    b.follow();
    b.mixer.focus(b.at('layer 1', 'up_proj', 'b'));
    b.mixer.setSelected(0.8);
    b.view.change({ mapDetail: 'modules' });
    b.follow();
    b.mixer.focus(b.at('layer 1', 'mlp', 'b'));
    b.mixer.setSelected(null);
    for (const part of ['up_proj', 'down_proj']) expect(b.weight(`model.layers.1.mlp.${part}.weight`, 'b')).toBe(0.25);
    b.mixer.focus(b.at('layer 2', null));
    b.mixer.setSelected(0.4);
    const cells = b.map().cells.map((cell) => ({ ...cell, setBy: cell.setBy.map(() => 'model.layers.2.') }));
    b.studio.store.setState({ map: { ...b.map(), cells } });
    b.mixer.focus(b.at('layer 2', 'mlp'));
    b.mixer.setSelected(null);
    expect(b.state().notice).toContain("'model.layers.2.'");
    expect(b.weight('model.layers.2.mlp.up_proj.weight')).toBe(0.4);
  });

  it('leaves the recipe alone while its text cannot be read, and where another method holds than the map shows', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 0', 'mlp'));
    b.studio.history.edit(`${TEXT}nonsense: 1\n`);
    b.mixer.setSelected(1);
    expect(b.text()).toBe(`${TEXT}nonsense: 1\n`);
    b.studio.history.edit(TEXT.replace('task_arithmetic', 'slerp'));
    b.mixer.setSelected(1);
    expect(b.text()).toBe(TEXT.replace('task_arithmetic', 'slerp'));
  });
});

describe('strokes', () => {
  it('paints the cells of the model that it began on, in one step however long it takes', () => {
    const b = bench();
    b.mixer.setPainting(true);
    b.mixer.setBrush(0.25);
    b.mixer.beginStroke(b.at('layer 0', 'mlp', 'c'));
    vi.advanceTimersByTime(2000);
    for (const [row, model] of [
      ['layer 1', 'c'],
      ['layer 1', 'b'],
      ['layer 2', 'c'],
    ] as const) {
      b.mixer.strokeOver(b.at(row, 'mlp', model));
      vi.advanceTimersByTime(2000);
    }
    expect(b.state().drafts.size).toBe(3);
    b.mixer.endStroke();
    for (const layer of [0, 1, 2]) expect(b.weight(`model.layers.${layer}.mlp.up_proj.weight`, 'c')).toBe(0.25);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.3);
    b.follow();
    expect(b.state().drafts.size).toBe(0);
    expect(stepsBack(b)).toBe(1);
    expect(b.text()).toBe(TEXT);
  });

  it('writes what waits when it ends at once, and nothing where it set nothing', () => {
    const b = bench();
    b.mixer.beginStroke(b.at('layer 0', 'mlp'));
    b.mixer.endStroke();
    expect(b.studio.history.canUndo()).toBe(false);
    b.mixer.beginStroke(b.at('layer 0', 'mlp'));
    b.mixer.strokeBy(0.25);
    b.mixer.endStroke();
    expect(b.weight('model.layers.0.mlp.up_proj.weight')).toBe(1);
  });

  it('drags all that is selected, each from its own weight, within the range', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 0', 'mlp', 'b'));
    b.mixer.focus(b.at('layer 1', 'mlp', 'b'), true);
    b.mixer.beginStroke(b.at('layer 1', 'mlp', 'b'));
    b.mixer.strokeBy(0.5);
    b.mixer.endStroke();
    expect(b.weight('model.layers.0.mlp.up_proj.weight', 'b')).toBe(1.25);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(1.3);
    b.mixer.beginStroke(b.at('layer 0', 'mlp', 'b'));
    b.mixer.strokeBy(-3);
    b.mixer.endStroke();
    expect(b.weight('model.layers.0.mlp.up_proj.weight', 'b')).toBe(0);
  });
});

describe('locks', () => {
  it('hold against every gesture at every detail, and say so', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 1', 'mlp', 'b'));
    b.mixer.toggleLock();
    b.mixer.setSelected(0.9);
    expect(b.state().notice).toBe('1 locked cell was left alone.');
    b.mixer.setSelected(null);
    b.mixer.beginStroke(b.at('layer 1', 'mlp', 'b'));
    b.mixer.strokeBy(1);
    b.mixer.endStroke();
    expect(b.state().drafts.size).toBe(0);
    b.mixer.resetWeights();
    expect(b.text()).toBe(TEXT);
    b.mixer.setPainting(true);
    b.mixer.beginStroke(b.at('layer 0', 'mlp', 'b'));
    for (const layer of [1, 2]) {
      vi.advanceTimersByTime(500);
      b.mixer.strokeOver(b.at(`layer ${layer}`, 'mlp', 'b'));
    }
    vi.advanceTimersByTime(500);
    b.mixer.endStroke();
    expect(b.state().notice).toBe('1 locked cell was left alone.');
    b.mixer.setPainting(false);
    expect(b.weight('model.layers.2.mlp.up_proj.weight', 'b')).toBe(1);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.3);
    b.mixer.focus(b.at('layer 1', null));
    b.mixer.setSelected(0.7);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.3);
    expect(b.weight('model.layers.1.self_attn.q_proj.weight', 'b')).toBe(0.7);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'a')).toBe(0.7);
    for (const detail of ['groups', 'tensors'] as const) {
      b.view.change({ mapDetail: detail });
      b.follow();
      b.mixer.focus(b.at('layer 1', detail === 'groups' ? 'MLP' : 'up_proj', 'b'));
      b.mixer.setSelected(2);
      expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.3);
    }
    b.mixer.unlockAll();
    b.mixer.setSelected(2);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(2);
  });

  it('hold for a whole model and are let go again', () => {
    const b = bench();
    b.mixer.toggleModelLock('a');
    b.mixer.focus(b.at('layer 0', null));
    b.mixer.setSelected(0);
    expect(b.weight('model.layers.0.mlp.up_proj.weight', 'a')).toBe(0.5);
    expect(b.weight('model.layers.0.mlp.up_proj.weight', 'c')).toBe(0);
    b.mixer.toggleModelLock('a');
    expect(lockOn(b.state().locks, 'a', 'model.layers.0.')).toBe('none');
  });

  it('hold against a sweep of the whole recipe, step by step of one drag, and all of it is one step back', () => {
    const b = bench();
    const up = 'model.layers.2.mlp.up_proj.weight';
    b.mixer.focus(b.at('layer 2', 'mlp', 'a'));
    b.mixer.toggleLock();
    for (const value of [0.6, 0.7, 0.8]) {
      b.studio.sweep((text) => setParameter(text, { model: 'a', name: 'weight', value }), 'fader');
      b.follow();
      expect(b.state().notice).toBe('1 locked cell kept its weight.');
    }
    expect(b.studio.store.getState().outcome).toBeNull();
    expect(b.weight(up)).toBe(0.5);
    expect(b.weight('model.layers.1.mlp.up_proj.weight')).toBe(0.8);
    expect(stepsBack(b)).toBe(1);
    expect(b.text()).toBe(TEXT);

    const method = METHODS.get('task_arithmetic');
    const [preset] = method?.presets ?? [];
    if (!method || !preset) throw new Error('no preset');
    const use = (text: string) => applyPreset(text, { ...method }, { ...preset, perModel: { weight: 0.9 } });
    b.mixer.toggleModelLock('b');
    const swept = b.studio.swept(use);
    b.studio.sweep(use);
    expect(b.text()).toBe(swept);
    expect(b.studio.swept(use)).toBe(swept);
    expect(b.weight(up)).toBe(0.5);
    expect(b.weight('model.norm.weight')).toBe(0.9);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.3);
    expect(b.text()).toContain('value: 0.3 # by ear');
    expect(b.weight('model.norm.weight', 'c')).toBe(0.9);
    // Layer 2's MLP of a, and the cells of b: two modules and the norm of each layer, and what lies outside the layers.
    expect(b.state().notice).toBe('15 locked cells kept their weights.');
    expect(b.studio.store.getState().outcome?.sentence).toBe(b.state().notice);
  });

  it('have nothing to hold where another method sets another number, and that is said', () => {
    const b = bench();
    b.mixer.toggleModelLock('b');
    const text = b.text();
    const varm = METHODS.get('varm');
    if (!varm) throw new Error('no method');
    b.studio.chooseMethod(varm);
    expect(b.text()).not.toBe(text);
    expect(b.studio.store.getState().outcome?.sentence).toContain('Locks hold weight, and');
  });

  it('hold what a group or a layer gave, when reset takes these away', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 3', null));
    b.mixer.setSelected(0.7);
    b.studio.edit((text) => setEntry(text, { model: 'c', name: 'weight', filter: 'mlp', values: [0.6] }));
    b.follow();
    b.mixer.focus(b.at('layer 3', 'mlp', 'a'));
    b.mixer.toggleLock();
    b.mixer.focus(b.at('layer 2', 'mlp', 'c'));
    b.mixer.toggleLock();
    b.mixer.resetWeights();
    expect(b.weight('model.layers.3.mlp.up_proj.weight')).toBe(0.7);
    expect(b.weight('model.layers.3.self_attn.q_proj.weight')).toBe(0.5);
    expect(b.weight('model.layers.2.mlp.up_proj.weight', 'c')).toBe(0.6);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'c')).toBe(1);
    expect(b.state().notice).toBe('2 locked cells were left alone.');
  });

  it('reset gives back all but what is locked', () => {
    const b = bench();
    for (const layer of [2, 3]) {
      b.mixer.focus(b.at(`layer ${layer}`, 'mlp'));
      b.mixer.setSelected(1.5);
    }
    b.mixer.toggleLock();
    b.mixer.resetWeights();
    expect(b.weight('model.layers.3.mlp.up_proj.weight')).toBe(1.5);
    expect(b.weight('model.layers.2.mlp.up_proj.weight')).toBe(0.5);
    expect(b.weight('model.layers.1.mlp.up_proj.weight', 'b')).toBe(0.25);
    expect(b.state().notice).toBe('1 locked cell was left alone.');
  });
});

describe('copy and paste', () => {
  it('puts a row onto others, in one step', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 1', 'mlp', 'a'));
    b.mixer.setSelected(0.05);
    // What was just set is copied, also before the map has answered.
    b.mixer.focus(b.at('layer 1', null));
    b.mixer.copySelected();
    b.follow();
    expect(b.state().copied?.label).toBe('layer 1');
    b.mixer.focus(b.at('layer 2', null));
    b.mixer.focus(b.at('layer 3', null), true);
    b.mixer.paste();
    for (const layer of [2, 3]) {
      expect(b.weight(`model.layers.${layer}.mlp.up_proj.weight`, 'a')).toBe(0.05);
      expect(b.weight(`model.layers.${layer}.mlp.up_proj.weight`, 'b')).toBe(0.3);
      expect(b.weight(`model.layers.${layer}.self_attn.q_proj.weight`, 'b')).toBe(0.25);
    }
    expect(stepsBack(b)).toBe(2);
  });

  it('puts one cell onto all that is selected, and several rows one below another', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 1', 'mlp', 'b'));
    b.mixer.copySelected();
    b.mixer.focus(b.at('layer 2', 'self_attn', 'a'));
    b.mixer.focus(b.at('layer 3', 'self_attn', 'b'), true);
    b.mixer.paste();
    for (const layer of [2, 3])
      for (const model of ['a', 'b'])
        expect(b.weight(`model.layers.${layer}.self_attn.q_proj.weight`, model)).toBe(0.3);
    b.mixer.focus(b.at('layer 0', 'mlp', 'b'));
    b.mixer.focus(b.at('layer 1', 'mlp', 'b'), true);
    b.mixer.copySelected();
    b.mixer.focus(b.at('layer 2', 'mlp', 'b'));
    b.mixer.paste();
    expect(b.weight('model.layers.2.mlp.up_proj.weight', 'b')).toBe(0.25);
    expect(b.weight('model.layers.3.mlp.up_proj.weight', 'b')).toBe(0.3);
  });

  it('says where nothing fits', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 1', null));
    b.mixer.copySelected();
    b.mixer.focus(b.at('model.norm', null));
    b.mixer.paste();
    expect(b.text()).toBe(TEXT);
    expect(b.state().notice).toContain('Nothing of layer 1 fits here.');
  });
});

describe('mute and solo', () => {
  const muted = (b: ReturnType<typeof bench>) =>
    b.studio.store.getState().recipe?.models.flatMap(({ model, isMuted }) => (isMuted ? [model] : []));

  it('mutes one model in one step, and brings back the text', () => {
    const b = bench();
    b.mixer.mutes.toggleMute('b');
    expect(muted(b)).toEqual(['b']);
    b.mixer.mutes.toggleMute('b');
    expect(b.text()).toBe(TEXT);
    expect(stepsBack(b)).toBe(2);
  });

  it('hears one alone in one step, moves on to another, and brings back the mutes that were there', () => {
    const b = bench();
    b.mixer.mutes.toggleMute('b');
    b.mixer.mutes.toggleSolo('a');
    expect(muted(b)).toEqual(['b', 'c']);
    b.mixer.mutes.toggleSolo('b');
    expect(muted(b)).toEqual(['a', 'c']);
    b.mixer.mutes.toggleSolo('b');
    expect(muted(b)).toEqual(['b']);
    expect(b.mixer.mutes.store.getState().solo).toBeNull();
    expect(stepsBack(b)).toBe(4);
    expect(b.text()).toBe(TEXT);
  });

  it('forgets the solo where mutes are changed by other means, and stays through other edits', () => {
    const b = bench();
    b.mixer.mutes.toggleSolo('a');
    b.mixer.focus(b.at('layer 0', 'mlp'));
    b.mixer.setSelected(0.9);
    expect(b.mixer.mutes.store.getState().solo?.model).toBe('a');
    b.mixer.mutes.toggleMute('c');
    expect(b.mixer.mutes.store.getState().solo).toBeNull();
    b.mixer.mutes.unmuteAll();
    expect(muted(b)).toEqual([]);
  });

  it('leaves as many models as the method needs', () => {
    const b = bench();
    for (const model of ['a', 'b', 'c']) b.mixer.mutes.toggleMute(model);
    expect(muted(b)).toEqual(['a', 'b']);
  });
});

describe('the place that is looked at', () => {
  it('stays at the same tensors from one detail to another', () => {
    const b = bench();
    b.mixer.focus(b.at('layer 2', 'mlp', 'b'));
    b.mixer.zoom(1);
    expect(b.view.store.getState().mapDetail).toBe('tensors');
    b.follow();
    expect(b.state().active).toEqual(b.at('layer 2', 'up_proj', 'b'));
    b.mixer.zoom(-1);
    b.mixer.zoom(-1);
    b.follow();
    expect(b.state().active).toEqual(b.at('layer 2', 'MLP', 'b'));
    b.mixer.zoom(-1);
    expect(b.view.store.getState().mapDetail).toBe('groups');
  });
});

describe('fifty gestures', () => {
  const row = fc.nat(5);
  const column = fc.integer({ min: -1, max: 3 });
  const gesture = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), row, column, value: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ kind: fc.constant('extend' as const), row, column }),
    fc.record({
      kind: fc.constantFrom('back' as const, 'nudge', 'copy', 'paste', 'lock', 'reset', 'paint'),
      row,
      column,
    }),
    fc.record({ kind: fc.constantFrom('mute' as const, 'solo'), model: fc.nat(2) }),
    fc.record({ kind: fc.constant('zoom' as const), by: fc.constantFrom(1 as const, -1 as const) }),
  );

  it('property: each is at most one step, all undone lead back to the exact text, and redone to the last', () => {
    fc.assert(
      fc.property(fc.array(gesture, { minLength: 50, maxLength: 50 }), (gestures) => {
        const b = bench();
        const texts = [TEXT];
        for (const own of gestures) {
          const before = b.text();
          perform(b, own);
          vi.advanceTimersByTime(1000);
          if (b.text() !== before) texts.push(b.text());
          b.follow();
          expect(b.studio.store.getState().problems).toEqual([]);
        }
        for (const text of texts.slice(0, -1).toReversed()) {
          b.studio.history.undo();
          expect(b.text()).toBe(text);
        }
        expect(b.studio.history.canUndo()).toBe(false);
        for (const text of texts.slice(1)) {
          b.studio.history.redo();
          expect(b.text()).toBe(text);
        }
      }),
      { numRuns: 6 },
    );
  });

  function perform(b: ReturnType<typeof bench>, own: typeof gesture extends fc.Arbitrary<infer T> ? T : never): void {
    const { mixer } = b;
    if ('row' in own) {
      const rowAt = Math.min(own.row, b.map().rows.length - 1);
      const cell = b.map().cells.find((c) => c.row === rowAt && c.column >= own.column);
      const place = { row: rowAt, column: own.column < 0 ? -1 : (cell?.column ?? -1), model: 0 };
      mixer.focus(place, own.kind === 'extend');
    }
    if (own.kind === 'set') mixer.setSelected(own.value / 4);
    else if (own.kind === 'back') mixer.setSelected(null);
    else if (own.kind === 'nudge') for (const by of [0.05, 0.05]) mixer.nudgeSelected(by);
    else if (own.kind === 'copy') mixer.copySelected();
    else if (own.kind === 'paste') mixer.paste();
    else if (own.kind === 'lock') mixer.toggleLock();
    else if (own.kind === 'reset') mixer.resetWeights();
    else if (own.kind === 'mute') mixer.mutes.toggleMute(['a', 'b', 'c'][own.model] ?? 'a');
    else if (own.kind === 'solo') mixer.mutes.toggleSolo(['a', 'b', 'c'][own.model] ?? 'a');
    else if (own.kind === 'zoom') mixer.zoom(own.by);
    else if (own.kind === 'paint') {
      mixer.setPainting(true);
      const { active } = mixer.store.getState();
      mixer.beginStroke(active);
      mixer.strokeOver({ ...active, row: Math.min(active.row + 1, b.map().rows.length - 1) });
      mixer.endStroke();
      mixer.setPainting(false);
    }
  }
});
