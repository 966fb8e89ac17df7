/**
 * Restacking: the slots of a recipe of slices or modules: layers are taken from where the recipe says and numbered
 * anew; what stands before them comes from the first slice, what stands after them from the last.
 */

import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { RecipeModule, RecipeSlice } from '../recipe/recipe.ts';
import { stackOfModule, stackPlaceOf, stacksOf, standsBefore, textStack } from '../recipe/stack.ts';
import { finding, type Finding } from './finding.ts';
import type { RestackedLayers } from './lineup.ts';
import type { Cast, ModelPlace, Place, Slot, Slots } from './slots.ts';
import { headOf, isTied } from './tied.ts';

/** Stands after the layers, as every head does. */
const HEAD_NAME = 'lm_head.weight';

/** The slots of a recipe's modules. With an error among the findings, they are of no use. */
export function restacked(cast: Cast, modules: readonly RecipeModule[]): Slots {
  return new Restacking(cast, modules).result();
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
      for (const name of slice === last && keeps(HEAD_NAME) ? this.#withHead(names, part, lead) : names) {
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
    const isMoved =
      origins.length !== donorLayers ||
      origins.some(({ checkpoint, layer }, j) => layer !== j || checkpoint !== this.#cast.donor);
    if (isMoved) this.#restacked.push({ stack, donorLayers, origins });
    this.#layers = Math.max(this.#layers, origins.length);
    outside(last, (name) => !standsBefore(name));
  }

  /**
   * The names after the layers with the output head among them where the result has one of its own. Where the donor's
   * is tied, so is the result's, to its first slice's embeddings; only a head that is untied and stored changes that.
   */
  #withHead(names: readonly string[], part: Part, lead: Checkpoint): readonly string[] {
    const { donor } = this.#cast;
    const head = headOf(lead) ?? headOf(donor);
    if (head === null || this.#ownerOf(head) !== part) return names;
    if (!isTied(donor)) return names.includes(head) ? names : [...names, head];
    if (lead === donor) return names;
    if (lead.tensors.has(head) && !isTied(lead)) {
      this.#keepsTie = false;
      this.#findings.push(
        finding(
          'warning',
          'tied',
          `${lead.name}, whose layers are the last, has an output head of its own, and ${donor.name}’s is tied to its embeddings; the merge keeps that head, and its config.json says so.`,
          [head],
        ),
      );
      return names;
    }
    this.#findings.push(
      finding(
        'note',
        'tied',
        `The output heads of ${donor.name} and ${lead.name} are tied to their embeddings; the merge’s is tied to those of the first slice.`,
      ),
    );
    return names.filter((name) => name !== head);
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
