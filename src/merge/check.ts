/**
 * Check: the pre-flight. From headers and side files alone it says whether these checkpoints are siblings, what is
 * missing, mismatched, tied or quantised, and gives the lineup where nothing stands against merging. Reads no
 * weight. Not the recipe's own grammar (`recipe/`), nor what the work will cost (`plan.ts`).
 */

import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { isBlended } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { heardRecipe } from '../recipe/muted.ts';
import type { Recipe } from '../recipe/recipe.ts';
import {
  clashFindings,
  copyFindings,
  filterFindings,
  magnitudeFindings,
  outputFindings,
  portionFindings,
  quantisationFindings,
  shareFindings,
  widthFindings,
} from './check-findings.ts';
import { compareSideFiles, missingConfig } from './compare.ts';
import { embeddings } from './embeddings.ts';
import { finding, type Finding } from './finding.ts';
import { lineUp } from './line-up.ts';
import type { Lineup } from './lineup.ts';
import { leftOutFindings, misfitFindings } from './misfits.ts';
import { type Cast, slotsOf } from './slots.ts';
import { type OpenStage, stageCheckpoint } from './stage.ts';
import { hasTokenRows } from './tied.ts';
import { NumbersSoFar, passesOf, unitOf } from './weights.ts';

/** The pre-flight's result; the lineup is null where an error stands. */
export interface Check {
  readonly findings: readonly Finding[];
  readonly lineup: Lineup | null;
}

type Find = (model: string) => Checkpoint | undefined;

/** For callers that plan and never read: what a stage computes cannot be had. */
const unread: OpenStage = () => ({
  read: async (tensor) => {
    throw new Error(`${tensor.name} is made by a stage, and there is no place that merges it`);
  },
});

/**
 * Checks a recipe against the open checkpoints. From here on its muted models do not exist.
 * @param find the checkpoint that a recipe's model string means, or undefined.
 * @param openStage merges what other recipes of the same text make, where their results are read.
 */
export function check(written: Recipe, find: Find, openStage: OpenStage = unread): Check {
  const recipe = heardRecipe(written);
  const made = new Map<string, Checkpoint>();
  const findAll: Find = (model) => made.get(model) ?? find(model);
  const findings: Finding[] = [];
  for (const stage of recipe.stages ?? []) {
    const name = stage.name ?? '';
    const result = checkOne(stage, findAll);
    findings.push(...result.findings.map((own) => ({ ...own, message: `In the recipe '${name}': ${own.message}` })));
    if (!result.lineup) return { findings, lineup: null };
    made.set(name, stageOf(name, result.lineup, openStage));
  }
  const result = checkOne(recipe, findAll);
  return { findings: [...findings, ...result.findings], lineup: result.lineup };
}

/** Stages' results, so that the same recipe over the same checkpoints gives the same one, and is not measured anew. */
const stages = new WeakMap<
  Checkpoint,
  {
    readonly key: string;
    readonly sources: readonly Checkpoint[];
    readonly open: OpenStage;
    readonly made: Checkpoint;
  }[]
>();
const KEPT_STAGES = 8;

function stageOf(name: string, lineup: Lineup, open: OpenStage): Checkpoint {
  const key = JSON.stringify(lineup.recipe);
  const sources = [lineup.donor, ...lineup.models];
  const kept = stages.get(lineup.donor) ?? [];
  const same = kept.find(
    (own) =>
      own.key === key &&
      own.open === open &&
      own.sources.length === sources.length &&
      own.sources.every((source, i) => source === sources[i]),
  );
  if (same) return same.made;
  const made = stageCheckpoint(name, lineup, open);
  stages.set(lineup.donor, [{ key, sources, open, made }, ...kept].slice(0, KEPT_STAGES));
  return made;
}

/** One recipe, its stages being models like any other. */
function checkOne(recipe: Recipe, find: Find): Check {
  const method = METHODS.get(recipe.method);
  if (!method) throw new Error(`no method '${recipe.method}'`);
  const known = new Map<string, Checkpoint | undefined>();
  // Asked once each: checkpoints are told apart by identity.
  const findOnce: Find = (model) => {
    if (!known.has(model)) known.set(model, find(model));
    return known.get(model);
  };
  const { cast, findings } = castOf(recipe, method, findOnce);
  if (!cast) return { findings, lineup: null };
  const { donor, models, base } = cast;
  const refused = () => findings.some(({ severity }) => severity === 'error');

  const others = [...new Set(models)].filter((model) => model !== donor);
  for (const checkpoint of new Set([donor, ...models])) findings.push(...quantisationFindings(checkpoint));
  const slots = slotsOf(cast);
  findings.push(...slots.findings);
  if (slots.findings.some(({ severity }) => severity === 'error')) return { findings, lineup: null };
  const rows = embeddings(cast, slots.slots);
  const lined = lineUp(recipe, method, slots.slots, rows.rowsOf);
  const hasBrokenRows = rows.findings.some(({ severity }) => severity === 'error');
  // Rows that could not be made to fit have been spoken of.
  const spoken = (tensor: string) => hasBrokenRows && hasTokenRows(tensor);
  const misfits = misfitFindings(
    lined.misfits.filter(({ kind, tensor }) => kind !== 'shape' || !spoken(tensor)),
    slots.slots,
  );
  const isStrange = misfits.some(({ code }) => code === 'nothing-shared');
  findings.push(...misfits);
  if (recipe.modules) findings.push(...widthFindings(slots.slots, donor));
  if (!recipe.modules && !isStrange) findings.push(...leftOutFindings(slots.slots, donor, others));
  if (!isStrange) findings.push(...rows.findings);
  findings.push(...missingConfig(donor));
  if (!isStrange) {
    // Where rows were cut or refused, it was said of whose tokens.
    const isSpoken = rows.findings.length > 0 || recipe.tokenizer !== undefined;
    for (const other of others) findings.push(...compareSideFiles(donor, other, recipe, isSpoken));
  }
  if (refused()) return { findings, lineup: null };

  const { tensors, copied, order } = lined;
  if (tensors.length === 0) {
    findings.push(nothingBlended(donor));
    return { findings, lineup: null };
  }
  const { restacked } = slots;
  const lineup: Lineup = {
    recipe,
    method,
    base: method.base === 'none' ? null : base,
    models,
    donor,
    tensors,
    copied,
    order,
    layers: slots.layers,
    changes: { ...rows.changes, restacked, isTied: slots.keepsTie ? null : false },
  };
  findings.push(...copyFindings(lineup), ...outputFindings(lineup));
  findings.push(...filterFindings(recipe, cast, order), ...portionFindings(lineup), ...shareFindings(lineup));
  findings.push(...magnitudeFindings(lineup), ...clashFindings(lineup));
  const faulty = refused() ? null : faultyWeights(lineup);
  if (faulty) findings.push(faulty);
  return { findings, lineup: refused() ? null : lineup };
}

function nothingBlended({ name }: Checkpoint): Finding {
  return finding('error', 'nothing-shared', `${name} has no tensor of a dtype that can be blended (F32, F16 or BF16).`);
}

/**
 * Why a checkpoint cannot be merged with anything, not even by itself; null where it can. The first error that its own
 * check would give, without lining it up: a checkpoint may have a hundred thousand tensors.
 */
export function unmergeable(checkpoint: Checkpoint): Finding | null {
  const [quantised] = quantisationFindings(checkpoint);
  if (quantised) return quantised;
  for (const { dtype } of checkpoint.tensors.values()) if (isBlended(dtype)) return null;
  return nothingBlended(checkpoint);
}

/** Everyone who takes part, or what stands against it. */
function castOf(recipe: Recipe, method: Method, find: Find): { cast: Cast | null; findings: Finding[] } {
  const findings: Finding[] = [];
  const lender = recipe.tokenizer?.source.kind === 'model' ? recipe.tokenizer.source.model : null;
  const missing = [recipe.base, ...recipe.models.map((entry) => entry.model), lender].filter(
    (name): name is string => name !== null && !find(name),
  );
  for (const name of new Set(missing)) {
    findings.push(
      finding(
        'error',
        'no-such-model',
        `The recipe names ${name}, which is not open; add that folder or change the recipe.`,
      ),
    );
  }
  if (missing.length > 0) return { cast: null, findings };

  const base = recipe.base === null ? null : (find(recipe.base) ?? null);
  const models = recipe.models.flatMap((entry) => find(entry.model) ?? []);
  const hasOwnBases = recipe.modules?.every(({ slices }) => slices.every((slice) => slice.base !== null)) ?? false;
  if (method.base === 'required' && !base && !hasOwnBases) {
    findings.push(
      finding(
        'error',
        'no-base',
        `${method.title} takes differences from a base; choose which checkpoint is the base.`,
      ),
    );
  }
  // Slices are counted one by one, in the recipe's own check.
  if (!recipe.modules && (models.length < method.models.min || models.length > method.models.max)) {
    const { min, max } = method.models;
    findings.push(
      finding(
        'error',
        'too-few-models',
        `${method.title} blends ${min === max ? min : `${min} to ${max}`} ${max === 1 ? 'model' : 'models'}${method.base === 'required' ? ' beside the base' : ''}; the recipe has ${models.length}${mutedSentence(recipe)}`,
      ),
    );
  }
  const twice = models.find((model, k) => models.indexOf(model) !== k);
  if (twice) {
    findings.push(
      finding('error', 'same-model', `${twice.name} stands twice among the models, under two names; keep one of them.`),
    );
  }
  const firstSource = recipe.modules?.[0]?.slices[0]?.sources[0]?.model;
  const donor = base ?? (firstSource === undefined ? undefined : find(firstSource)) ?? models[0];
  if (!donor || findings.length > 0) return { cast: null, findings };
  if (base && method.base !== 'none' && models.includes(base)) {
    findings.push(
      finding('warning', 'same-model', `${base.name} is both the base and a model; it adds no change of its own.`),
    );
  }
  return { cast: { recipe, method, base, models, donor, find }, findings };
}

/** How to come by more models, where some are muted; ends the sentence. */
function mutedSentence({ muted = [] }: Recipe): string {
  if (muted.length === 0) return '.';
  const [are, one] = muted.length === 1 ? ['is', 'it'] : ['are', 'one of them'];
  return ` that take part. ${listed(muted)} ${are} muted: unmute ${one} in the mixer, or remove 'muted: true' in the recipe.`;
}

/** Weights that come out as no number can be seen before anything is read, where they need no statistics. */
function faultyWeights(lineup: Lineup): Finding | null {
  for (const tensor of lineup.tensors) {
    const unit = unitOf(lineup, tensor);
    if ((unit !== null && unit !== 'element') || passesOf(lineup, tensor).length > 0) continue;
    try {
      new NumbersSoFar(lineup, tensor, null).coefficients();
    } catch (error) {
      return finding('error', 'weights', error instanceof Error ? error.message : String(error), [tensor.name]);
    }
  }
  return null;
}
