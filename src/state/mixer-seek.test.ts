/** Mixer seek: from a tensor to its cell, also when the map has to be made finer first, and back to its row. */

import { describe, expect, it } from 'vitest';
import { placesOf } from '../merge/map-places.ts';
import { engineDouble } from './engine-double.ts';
import type { MapDetail, WeightsMap } from './engine-api.ts';
import { createMixer } from './mixer.ts';
import { searchOf } from './mixer-seek.ts';
import { createStudio } from './studio.ts';
import { createView } from './view.ts';

const TENSORS = [
  'model.embed_tokens.weight',
  ...[0, 1, 2].flatMap((layer) =>
    ['self_attn.q_proj', 'mlp.up_proj', 'mlp.down_proj'].map((part) => `model.layers.${layer}.${part}.weight`),
  ),
].map((name) => ({ name, elements: 4 }));

function mapOf(detail: MapDetail): WeightsMap {
  const { rows, columns, parts } = placesOf(TENSORS, detail);
  const models = ['a', 'b'];
  return {
    ...{ detail, models, isMuted: [false, false], handle: 'weight' },
    ...{ handleMin: 0, handleMax: 1, rows, columns, note: '' },
    cells: parts.map(({ row, column, filters, tensors }) => ({
      ...{ row, column, filters, tensors: tensors.length, elements: 4, weights: [1, 1], ranges: [] },
      ...{ rmsChange: null, changedShare: null, isSet: [false, false], setBy: [null, null] },
    })),
  };
}

function bench() {
  const studio = createStudio(engineDouble().engine);
  const view = createView();
  const mixer = createMixer(studio, view, () => TENSORS.map(({ name }) => name));
  const come = (detail: MapDetail) => studio.store.setState({ map: mapOf(detail) });
  const wanted = () => {
    const place = mixer.seek.store.getState().wanted;
    const { map } = studio.store.getState();
    return place && map ? [map.rows[place.row]?.label, map.columns[place.column], map.models[place.model]] : null;
  };
  come('modules');
  return { studio, view, mixer, come, wanted, state: () => mixer.store.getState() };
}

describe('a tensor is shown', () => {
  it('once the map is as fine as that, with the model that was looked at', () => {
    const b = bench();
    b.view.change({ centre: 'models' });
    b.mixer.focus({ row: 1, column: 0, model: 1 });
    b.mixer.seek.show('model.layers.2.mlp.down_proj.weight');
    expect(b.view.store.getState()).toMatchObject({ centre: 'mixer', mapDetail: 'tensors' });
    expect(b.wanted()).toBeNull();
    b.come('modules');
    expect(b.wanted()).toBeNull();
    b.come('tensors');
    expect(b.wanted()).toEqual(['layer 2', 'down_proj', 'b']);
    expect(b.state().active).toEqual(b.mixer.seek.store.getState().wanted);
    expect(b.state().anchor).toEqual(b.state().active);
    b.mixer.seek.arrived();
    b.mixer.seek.show('model.embed_tokens.weight');
    expect(b.wanted()?.[0]).toBe('model.embed_tokens');
  });

  it('no more where the map was made coarser meanwhile', () => {
    const b = bench();
    b.mixer.seek.show('model.layers.2.mlp.down_proj.weight');
    b.mixer.zoom(-1);
    b.come('modules');
    b.view.change({ mapDetail: 'tensors' });
    b.come('tensors');
    expect(b.wanted()).toBeNull();
  });

  it('where it has no cell that is said, and nothing moves', () => {
    const b = bench();
    b.come('tensors');
    const { active } = b.state();
    b.mixer.seek.show('vision.patch.weight');
    expect(b.state()).toMatchObject({ active, notice: 'vision.patch.weight has no cell of its own on the map.' });
  });
});

describe('the tensors of a place', () => {
  it('are searched for', () => {
    const b = bench();
    const at = (row: string, column: string) => {
      const { map } = b.studio.store.getState();
      b.mixer.seek.showTensors({
        row: map?.rows.findIndex(({ label }) => label === row) ?? -1,
        column: map?.columns.indexOf(column) ?? -1,
        model: 0,
      });
      return b.view.store.getState();
    };
    expect(at('layer 1', 'mlp')).toMatchObject({
      centre: 'models',
      tensorFilter: 'model.layers.1.mlp.',
      isTableWanted: true,
    });
    expect(at('layer 1', 'none').tensorFilter).toBe('model.layers.1.');
    b.come('tensors');
    expect(at('layer 0', 'q_proj').tensorFilter).toBe('model.layers.0.self_attn.q_proj.');
  });

  it('of several filters by their layers and what these share', () => {
    expect(searchOf([])).toBe('');
    expect(searchOf(['model.layers.2.', 'model.layers.3.'])).toBe('layer:2-3');
    expect(searchOf(['model.layers.2.mlp.', 'model.layers.3.mlp.'])).toBe('layer:2-3 .mlp.');
    expect(searchOf(['model.layers.2.mlp.', 'model.layers.2.norm.'])).toBe('layer:2');
    expect(searchOf(['vision.a.weight', 'vision.b.weight'])).toBe('vision.a.');
  });
});
