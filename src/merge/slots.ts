/**
 * Slots: which tensors the result has, and under which name each is found in every model: worked out on names alone.
 * Slices and modules are `restacking.ts`; what lies there, and whether it fits, is `line-up.ts`.
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Method } from '../methods/method.ts';
import type { ParameterValues, Recipe } from '../recipe/recipe.ts';
import { depthOf } from '../recipe/resolve.ts';
import { stackPlaceOf, stacksOf } from '../recipe/stack.ts';
import { entryOf } from './tied.ts';
import type { Finding } from './finding.ts';
import type { RestackedLayers } from './lineup.ts';
import { restacked } from './restacking.ts';

/** A tensor of one checkpoint, by its name there; it may be missing. */
export interface Place {
  readonly checkpoint: Checkpoint;
  readonly name: string;
}

/** A model's part in one tensor of the result. */
export interface ModelPlace extends Place {
  /** Index into the lineup's models. */
  readonly model: number;
  /** Asked for its parameters, the innermost first. */
  readonly scopes: readonly ParameterValues[];
}

/** One tensor of the result. */
export interface Slot {
  /** Its name in the result. */
  readonly name: string;
  /** Decides its shape; the base where there is one. */
  readonly lead: Place;
  /** Null where nothing is blended with a base. */
  readonly base: Place | null;
  /** Empty for a tensor that is copied from its lead because the recipe says nothing of it. */
  readonly models: readonly ModelPlace[];
  /** For parameters that all models share, the innermost first. */
  readonly scopes: readonly ParameterValues[];
  readonly depth: number;
}

/** What a recipe makes of some checkpoints' names. */
export interface Slots {
  readonly slots: readonly Slot[];
  readonly restacked: readonly RestackedLayers[];
  /** The most layers of a stack of the result. */
  readonly layers: number;
  /** False where the recipe gives the output head other sources than the tied embeddings. */
  readonly keepsTie: boolean;
  readonly findings: readonly Finding[];
}

/** Everyone who takes part. */
export interface Cast {
  readonly recipe: Recipe;
  readonly method: Method;
  readonly base: Checkpoint | null;
  readonly models: readonly Checkpoint[];
  readonly donor: Checkpoint;
  readonly find: (model: string) => Checkpoint | undefined;
}

/** Works out the slots of a recipe. With an error among the findings, the slots are of no use. */
export function slotsOf(cast: Cast): Slots {
  return cast.recipe.modules ? restacked(cast, cast.recipe.modules) : plainSlots(cast);
}

/** A recipe of `models`: every tensor of the donor, found under its own name in all models. */
function plainSlots({ recipe, method, base, models, donor }: Cast): Slots {
  const stacks = stacksOf(donor.tensors.keys());
  const takesBase = method.base !== 'none' && base !== null;
  const scopes = [recipe.parameters];
  const own = recipe.models.map(({ parameters }) => [parameters, recipe.parameters]);
  const slots = [...donor.tensors.keys()].map((name): Slot => {
    const place = stackPlaceOf(name);
    return {
      name,
      lead: { checkpoint: donor, name },
      base: takesBase ? { checkpoint: base, name } : null,
      models: models.map((checkpoint, model) => ({ checkpoint, name, model, scopes: own[model] ?? scopes })),
      scopes,
      depth: place ? depthOf(name, stacks.get(place.stack) ?? 0) : 0,
    };
  });
  return { slots, restacked: [], layers: Math.max(0, ...stacks.values()), keepsTie: true, findings: [] };
}

/** The entry of a place, through the embeddings that a tied head shares. */
export function entryAt({ checkpoint, name }: Place) {
  return entryOf(checkpoint, name);
}
