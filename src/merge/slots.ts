/**
 * Slots: which tensors the result has, and under which name each is found in every model: a recipe's slices and
 * modules worked out on names alone. What lies there, and whether it fits, is `line-up.ts`.
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Method } from '../methods/method.ts';
import type { ParameterValues, Recipe, RecipeModule, RecipeSlice } from '../recipe/recipe.ts';
import { depthOf } from '../recipe/resolve.ts';
import { stackOfModule, stackPlaceOf, stacksOf, standsBefore, textStack } from '../recipe/stack.ts';
import { entryOf, headOf, isTied } from './tied.ts';
import { finding, listed, type Finding } from './finding.ts';
import type { RestackedLayers } from './lineup.ts';

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
  return cast.recipe.modules ? new Restacking(cast, cast.recipe.modules).result() : plainSlots(cast);
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

/** A module with the part of the model that it makes. */
interface Part {
  readonly module: RecipeModule;
  readonly stack: string | null;
}

/** A recipe of slices or modules. */
class Restacking {
  readonly #cast: Cast;
  readonly #stacks: ReadonlyMap<string, number>;
  readonly #parts: Part[] = [];
  readonly #findings: Finding[] = [];
  readonly #slots: Slot[] = [];
  readonly #restacked: RestackedLayers[] = [];
  #layers = 0;
  #keepsTie = true;

  constructor(cast: Cast, modules: readonly RecipeModule[]) {
    this.#cast = cast;
    this.#stacks = stacksOf(cast.donor.tensors.keys());
    for (const module of modules) this.#findPart(module);
    if (this.#findings.length > 0) return;
    for (const part of this.#parts) this.#restack(part);
    this.#copyTheRest();
  }

  result(): Slots {
    return {
      slots: this.#slots,
      restacked: this.#restacked,
      layers: this.#layers,
      keepsTie: this.#keepsTie,
      findings: this.#findings,
    };
  }

  #error(message: string): void {
    this.#findings.push(finding('error', 'layers', message));
  }

  #findPart(module: RecipeModule): void {
    const { donor } = this.#cast;
    const all = [...this.#stacks.keys()];
    if (module.name === null) {
      const [only] = all;
      if (only === undefined) {
        this.#error(`${donor.name} has no numbered layers, so it cannot be cut into slices; list 'models' instead.`);
      } else if (all.length > 1) {
        this.#error(
          `${donor.name} has ${all.length} stacks of layers (${listed(all)}); write 'modules:' with the slices of each under its name.`,
        );
      } else {
        this.#parts.push({ module, stack: only });
      }
      return;
    }
    const stack = stackOfModule(module.name, all);
    const isLoose = stack === null && this.#looseNames(module.name).length > 0;
    if (stack === null && !isLoose) {
      const names = all.length === 1 ? ['default', ...all] : all;
      this.#error(
        `There is no module '${module.name}' in ${donor.name}; there ${names.length === 1 ? 'is' : 'are'} ${listed(names, 6)}.`,
      );
    } else if (this.#parts.some((part) => part.stack !== null && part.stack === stack)) {
      this.#error(`Two modules of the recipe mean the layers ${stack}; keep one of them.`);
    } else if (isLoose && module.slices.some((slice) => slice.sources.some(({ layers }) => layers !== null))) {
      this.#error(
        `The module '${module.name}' has no layers, so it cannot be cut into slices; list 'models' under it.`,
      );
    } else {
      this.#parts.push({ module, stack });
    }
  }

  /** The donor's tensors outside the layers that belong to a module without layers. */
  #looseNames(module: string): string[] {
    const name = module.replace(/\.$/, '');
    return [...this.#cast.donor.tensors.keys()].filter(
      (tensor) => stackPlaceOf(tensor) === null && tensor.split('.').includes(name),
    );
  }

  /** Whose a tensor outside the layers is: a module's without layers, or the stack that shares most of its path. */
  #ownerOf(tensor: string): Part | null {
    const path = tensor.split('.');
    const loose = this.#parts.find(
      ({ module, stack }) => stack === null && path.includes((module.name ?? '').replace(/\.$/, '')),
    );
    if (loose) return loose;
    let best: string | null = null;
    let most = 0;
    for (const stack of this.#stacks.keys()) {
      const parts = stack.split('.');
      let shared = 0;
      while (shared < parts.length && parts[shared] === path[shared]) shared++;
      if (shared > most || (shared === most && shared > 0 && stack === textStack(this.#stacks.keys()))) {
        best = stack;
        most = shared;
      }
    }
    const isOfText =
      this.#stacks.size === 1 || /(?:^|\.)(?:lm_head|embed_out|score|output|norm|embed_tokens|shared)\./.test(tensor);
    const stack = best ?? (isOfText ? textStack(this.#stacks.keys()) : null);
    return this.#parts.find((part) => part.stack !== null && part.stack === stack) ?? null;
  }

  /** The checkpoint that names and shapes a slice's tensors. */
  #leadOf(slice: RecipeSlice): Checkpoint {
    const { base, method, donor, find } = this.#cast;
    const own = slice.base === null ? base : (find(slice.base) ?? null);
    const isWhole = slice.sources.every(({ layers }) => layers === null);
    const members = slice.sources.flatMap(({ model }) => find(model) ?? []);
    if (isWhole) return donor;
    return (method.base !== 'none' && own && members.includes(own) ? own : members[0]) ?? donor;
  }

  /** The slot of one tensor in a slice; `nameIn` gives its name in the source of that index. */
  #slot(
    name: string,
    part: Part,
    slice: RecipeSlice,
    lead: Place,
    depth: number,
    nameIn: (source: number) => string,
  ): Slot {
    const { recipe, method, models, find } = this.#cast;
    const baseName = method.base === 'none' ? null : (slice.base ?? recipe.base);
    const scopes = [slice.parameters, part.module.parameters, recipe.parameters];
    let base: Place | null = null;
    const places: ModelPlace[] = [];
    slice.sources.forEach((source, i) => {
      const checkpoint = find(source.model);
      if (!checkpoint) return;
      if (source.model === baseName) base = { checkpoint, name: nameIn(i) };
      else
        places.push({
          checkpoint,
          name: nameIn(i),
          model: models.indexOf(checkpoint),
          scopes: [source.parameters, ...scopes],
        });
    });
    return { name, lead, base, models: places, scopes, depth };
  }

  #restack(part: Part): void {
    const { module, stack } = part;
    const [first] = module.slices;
    const last = module.slices.at(-1);
    if (!first || !last) return;
    const outside = (slice: RecipeSlice, keeps: (name: string) => boolean) => {
      const lead = this.#leadOf(slice);
      const names = [...lead.tensors.keys()].filter(
        (name) => stackPlaceOf(name) === null && keeps(name) && this.#ownerOf(name) === part,
      );
      const head = slice === last && keeps('lm_head.weight') ? this.#headBeside(part, lead) : null;
      for (const name of head !== null && !names.includes(head) ? [...names, head] : names) {
        this.#slots.push(this.#slot(name, part, slice, { checkpoint: lead, name }, 0, () => name));
      }
    };
    if (stack === null) {
      outside(first, () => true);
      return;
    }
    outside(first, standsBefore);
    const origins: { checkpoint: Checkpoint; layer: number }[] = [];
    for (const slice of module.slices) this.#layersOf(part, stack, slice, origins);
    const donorLayers = this.#stacks.get(stack) ?? 0;
    const isMoved = origins.length !== donorLayers || origins.some(({ layer }, j) => layer !== j);
    if (isMoved) this.#restacked.push({ stack, donorLayers, origins });
    this.#layers = Math.max(this.#layers, origins.length);
    outside(last, (name) => !standsBefore(name));
  }

  /**
   * The head that has to be written although the lead of the last slice stores none: its own is tied to its embeddings,
   * and the result's embeddings are others.
   */
  #headBeside(part: Part, lead: Checkpoint): string | null {
    const { donor } = this.#cast;
    const [first] = part.module.slices;
    const last = part.module.slices.at(-1);
    const head = headOf(lead) ?? headOf(donor);
    if (head === null || !first || !last || this.#ownerOf(head) !== part) return null;
    const modelsOf = (slice: RecipeSlice) => slice.sources.map(({ model }) => model).join('\n');
    const isSame = first === last || (modelsOf(first) === modelsOf(last) && this.#leadOf(first) === this.#leadOf(last));
    if (isTied(donor) && isSame) return null;
    if (isTied(donor)) this.#keepsTie = false;
    return lead.tensors.has(head) ? null : head;
  }

  #layersOf(part: Part, stack: string, slice: RecipeSlice, origins: { checkpoint: Checkpoint; layer: number }[]): void {
    const { find } = this.#cast;
    const sources = slice.sources.flatMap((source) => {
      const checkpoint = find(source.model);
      return checkpoint
        ? [{ checkpoint, range: source.layers, count: stacksOf(checkpoint.tensors.keys()).get(stack) ?? 0 }]
        : [];
    });
    for (const { checkpoint, range, count } of sources) {
      if (range !== null && range.to > count) {
        this.#error(
          count === 0
            ? `${checkpoint.name} has no layers named ${stack}, so no slice can be cut from it.`
            : `The recipe takes layers ${range.from} to ${range.to} of ${checkpoint.name}, which has ${count} (0 to ${count}, the last not included); correct the layer_range.`,
        );
      }
    }
    if (this.#findings.some(({ severity }) => severity === 'error')) return;
    const lead = this.#leadOf(slice);
    const whole = stacksOf(lead.tensors.keys()).get(stack) ?? 0;
    const ranges = sources.map(({ range }) => range ?? { from: 0, to: whole });
    const leadRange = ranges[sources.findIndex(({ checkpoint }) => checkpoint === lead)] ?? { from: 0, to: whole };
    const length = leadRange.to - leadRange.from;
    const rests = byLayer(lead, stack);
    for (let k = 0; k < length; k++) {
      const out = origins.length;
      const from = leadRange.from + k;
      origins.push({ checkpoint: lead, layer: from });
      const depth = length > 1 ? k / (length - 1) : 1;
      for (const rest of rests.get(from) ?? []) {
        const place = { checkpoint: lead, name: `${stack}.${from}.${rest}` };
        this.#slots.push(
          this.#slot(
            `${stack}.${out}.${rest}`,
            part,
            slice,
            place,
            depth,
            (i) => `${stack}.${(ranges[i]?.from ?? 0) + k}.${rest}`,
          ),
        );
      }
    }
  }

  /** What the recipe's modules do not speak of stays as the donor has it. */
  #copyTheRest(): void {
    const { donor } = this.#cast;
    const covered = new Set(this.#parts.flatMap(({ stack }) => stack ?? []));
    const left = [...donor.tensors.keys()].filter((name) => {
      const place = stackPlaceOf(name);
      return place ? !covered.has(place.stack) : this.#ownerOf(name) === null;
    });
    if (left.length === 0) return;
    this.#findings.push(
      finding(
        'warning',
        'layers',
        `The recipe’s modules say nothing of ${left.length} of ${donor.name}’s tensors (${listed(left)}); they are copied from it.`,
        left,
      ),
    );
    for (const name of left) {
      this.#slots.push({ name, lead: { checkpoint: donor, name }, base: null, models: [], scopes: [], depth: 0 });
    }
  }
}

/** The names below each layer's number, in the checkpoint's order. */
function byLayer(checkpoint: Checkpoint, wanted: string): Map<number, string[]> {
  const layers = new Map<number, string[]>();
  for (const name of checkpoint.tensors.keys()) {
    const place = stackPlaceOf(name);
    if (place?.stack !== wanted) continue;
    const rests = layers.get(place.layer) ?? [];
    rests.push(place.rest);
    layers.set(place.layer, rests);
  }
  return layers;
}

/** The entry of a place, through the embeddings that a tied head shares. */
export function entryAt({ checkpoint, name }: Place) {
  return entryOf(checkpoint, name);
}
