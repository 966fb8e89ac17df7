import { describe, expect, it } from 'vitest';
import { checkpoint, checkReport, engineDouble } from './engine-double.ts';
import { createStudio } from './studio.ts';
import { createTensorNames } from './tensor-names.ts';

const TEXT = 'merge_method: linear\nmodels:\n  - model: a\n  - model: b\n';

function opened() {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  const names = createTensorNames(studio);
  studio.store.setState({ checkpoints: [checkpoint('a'), checkpoint('b')] });
  return { double, studio, names };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

describe('tensor names', () => {
  it('are asked for when a recipe passes the pre-flight, and not again for a slider', async () => {
    const { double, studio, names } = opened();
    double.answer('tensors', () => ['x.weight']);
    studio.history.edit(TEXT);
    expect(double.of('tensors')).toHaveLength(0);
    studio.store.setState({ check: checkReport() });
    await settled();
    expect(names.getState().names).toEqual(['x.weight']);
    studio.history.edit(TEXT.replace('- model: b', '- model: b\n    parameters: {weight: 0.5}'));
    studio.store.setState({ check: checkReport() });
    await settled();
    expect(double.of('tensors')).toHaveLength(1);
    studio.history.edit(TEXT.replace('linear', 'slerp').replace('models:', 'base_model: b\nmodels:'));
    studio.store.setState({ check: checkReport() });
    await settled();
    expect(double.of('tensors')).toHaveLength(2);
  });

  it('go with the last models, and an answer that comes late is dropped', async () => {
    const { double, studio, names } = opened();
    studio.history.edit(TEXT);
    studio.store.setState({ check: checkReport() });
    studio.store.setState({ check: { findings: [], plan: null } });
    double.of('tensors')[0]?.resolve(['late.weight']);
    await settled();
    expect(names.getState().names).toEqual([]);
  });

  it('are asked for again after a refusal', async () => {
    const { double, studio, names } = opened();
    studio.history.edit(TEXT);
    studio.store.setState({ check: checkReport() });
    double.of('tensors')[0]?.reject(new Error('no'));
    await settled();
    studio.store.setState({ check: checkReport() });
    double.of('tensors')[1]?.resolve(['x.weight']);
    await settled();
    expect(names.getState().names).toEqual(['x.weight']);
  });
});
