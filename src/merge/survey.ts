/**
 * Survey: what the fine-tunes changed, tensor by tensor and altogether, from the one pass of statistics; and what can be
 * said of it in plain words. A recipe's weights are not in it (that is `map.ts`), and it decides nothing.
 */

import type { Scalar } from '../recipe/recipe.ts';

/** A plain-language finding. */
export interface Insight {
  /** `same-weights`, `opposed`, `only-part`, `not-siblings`, `unchanged` …: stable, for tests and icons. */
  readonly kind: string;
  readonly tone: 'plain' | 'good' | 'warning';
  /** One or two sentences that name the models. */
  readonly sentence: string;
  readonly models: readonly string[];
  /** A substring of the names of the tensors that it is about; null where it is about all of them. */
  readonly filter: string | null;
}

/** A recipe to begin with, computed from what was measured. */
export interface RecommendedStart {
  readonly method: string;
  /** Top-level parameters that differ from their defaults. */
  readonly parameters: Readonly<Record<string, Scalar>>;
  /** By model: its own parameters. */
  readonly perModel: Readonly<Record<string, Readonly<Record<string, Scalar>>>>;
  /** Why, in one or two sentences with the figures that decided. */
  readonly reason: string;
}

/** Figures of some tensors together. Shares are of elements; NaN where nothing was measured. */
export interface SurveyTotals {
  /** Per model: root mean square of its change. */
  readonly rmsChange: readonly number[];
  /** Per model: its change's length over the base's. */
  readonly relativeChange: readonly number[];
  /** Per model: share of elements that are exactly the base's. */
  readonly unchangedShare: readonly number[];
  /** models × models, row-major: cosine between the changes. */
  readonly cosines: readonly number[];
  /** models × models, row-major: share of elements that both changed, in opposite directions. */
  readonly conflicts: readonly number[];
}

/**
 * The survey. Columns hold one number per tensor, or one per tensor and model at `tensor * models.length + model`, or one
 * per tensor and pair of models at `tensor * pairs + pair`, the pairs being (0,1), (0,2), (1,2), (0,3) …; NaN where
 * nothing was measured.
 */
export interface Survey {
  readonly base: string | null;
  /** The recipe's models in its order, the base left out. */
  readonly models: readonly string[];
  /** Names of the tensors that are merged, in the result's order. */
  readonly tensors: readonly string[];
  /** Layer of each tensor; -1 outside the layers. */
  readonly layers: Int32Array;
  /** Module of each tensor, as an index into `moduleNames`. */
  readonly modules: Int32Array;
  readonly moduleNames: readonly string[];
  /** Shape of each tensor, as an index into `shapeNames`: `512×64`, `64`, or `scalar`. */
  readonly shapes: Int32Array;
  readonly shapeNames: readonly string[];
  /** The dtypes that its files hold, as an index into `dtypeNames`: `BF16`, or `F32, BF16` where the models differ. */
  readonly dtypes: Int32Array;
  readonly dtypeNames: readonly string[];
  readonly elements: Float64Array;
  /** Per tensor: root mean square of the base's values. */
  readonly baseRms: Float64Array;
  /** Per tensor and model. */
  readonly rmsChange: Float64Array;
  /** Per tensor and model: the change's length over the base's. */
  readonly relativeChange: Float64Array;
  /** Per tensor and model: the largest change of one element. */
  readonly maxChange: Float64Array;
  /** Per tensor and model. */
  readonly unchangedShare: Float64Array;
  /** Per tensor and pair. */
  readonly cosines: Float64Array;
  /** Per tensor and pair: share of elements that both changed, in opposite directions. */
  readonly conflicts: Float64Array;
  /** Per tensor: share of elements that any two models changed in opposite directions. */
  readonly conflictShare: Float64Array;
  readonly totals: SurveyTotals;
  /** The most important first. */
  readonly insights: readonly Insight[];
  /** Null where nothing can be recommended. */
  readonly start: RecommendedStart | null;
}

/** How many elements changed by how much: bins of one power of two each. */
export interface ChangeHistogram {
  readonly models: readonly string[];
  /** Bin b holds changes of size 2^(firstExponent + b) up to twice that; the outer ones hold all that is beyond. */
  readonly firstExponent: number;
  readonly bins: number;
  /** Per model and bin, `model * bins + bin`: elements. */
  readonly counts: Float64Array;
  /** Per model: elements that did not change. */
  readonly unchanged: Float64Array;
}
