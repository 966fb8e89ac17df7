/** SurveyDouble: surveys and histograms for tests, with figures that can be told apart. Imported by tests only. */

import { placeOf } from '../recipe/unit.ts';
import type { ChangeHistogram, Survey } from './engine-api.ts';

/** A survey of the named tensors, whose figures are `of(tensor, model)` and what follows from it. */
export function surveyOf(
  tensors: readonly string[],
  models: readonly string[],
  of: (tensor: number, model: number) => number = (t, m) => (t + 1) / 100 + m / 1000,
  part: Partial<Survey> = {},
): Survey {
  const pairs = (models.length * (models.length - 1)) / 2;
  const places = tensors.map(placeOf);
  const moduleNames = [...new Set(places.map(({ module }) => module))];
  const perModel = (scale: number) =>
    Float64Array.from({ length: tensors.length * models.length }, (_, i) => {
      const model = i % models.length;
      return of((i - model) / models.length, model) * scale;
    });
  const squared = models.flatMap(() => models);
  return {
    base: 'base',
    models,
    tensors,
    layers: Int32Array.from(places, ({ layer }) => layer ?? -1),
    modules: Int32Array.from(places, ({ module }) => moduleNames.indexOf(module)),
    moduleNames,
    shapes: new Int32Array(tensors.length),
    shapeNames: ['8×8'],
    dtypes: new Int32Array(tensors.length),
    dtypeNames: ['BF16'],
    elements: new Float64Array(tensors.length).fill(64),
    baseRms: new Float64Array(tensors.length).fill(1),
    rmsChange: perModel(1),
    relativeChange: perModel(1),
    maxChange: perModel(4),
    unchangedShare: perModel(0.5),
    cosines: Float64Array.from({ length: tensors.length * pairs }, (_, i) => Math.sin(i)),
    conflicts: Float64Array.from({ length: tensors.length * pairs }, (_, i) => (i % 10) / 20),
    conflictShare: Float64Array.from(tensors, (_, t) => (t % 10) / 10),
    totals: {
      rmsChange: models.map(() => 0.1),
      relativeChange: models.map((_, m) => 0.1 * (m + 1)),
      unchangedShare: models.map(() => 0.25),
      cosines: squared.map((_, i) => (i % (models.length + 1) === 0 ? 1 : -0.2)),
      conflicts: squared.map(() => 0.05),
    },
    insights: [],
    start: null,
    ...part,
  };
}

/** A histogram of four bins, one element more in each, and ten that did not change. */
export function histogramOf(models: readonly string[]): ChangeHistogram {
  return {
    models,
    firstExponent: -20,
    bins: 4,
    counts: Float64Array.from({ length: 4 * models.length }, (_, i) => (i % 4) + 1),
    unchanged: new Float64Array(models.length).fill(10),
  };
}
