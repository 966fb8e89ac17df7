/**
 * Check: the pre-flight. From headers and side files alone it says whether these checkpoints are siblings, what is
 * missing, mismatched, tied or quantised, and gives the lineup where nothing stands against merging. Reads no
 * weight. Not the recipe's own grammar (`recipe/`), nor what the work will cost (`plan.ts`).
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { idleFilters } from '../recipe/filters.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { stackPlaceOf } from '../recipe/stack.ts';
import { chosenTemplate } from './chat-template.ts';
import { compareSideFiles, missingConfig } from './compare.ts';
import { unnamedCounts } from './config-edits.ts';
import { embeddings } from './embeddings.ts';
import { finding, listed, type Finding } from './finding.ts';
import { lineUp } from './line-up.ts';
import type { Lineup } from './lineup.ts';
import { leftOutFindings, misfitFindings, tensorCount } from './misfits.ts';
import { type Cast, entryAt, type Slot, slotsOf } from './slots.ts';
import { type OpenStage, stageCheckpoint } from './stage.ts';
import { hasTokenRows } from './tied.ts';
import { passesOf, unitOf, weigh } from './weights.ts';

/** The pre-flight's result; the lineup is null where an error stands. */
export interface Check {
  readonly findings: readonly Finding[];
  readonly lineup: Lineup | null;
}

type Find = (model: string) => Checkpoint | undefined;

/** Names that only quantised checkpoints have. */
const QUANTISED =
  /\.(quant_state|absmax|quant_map|SCB|qweight|qzeros|weight_scale_inv|weight_scale|scales|g_idx)(\.|$)/;

/** Shares that are given as rounded decimals may add up to a little more than one. */
const SHARE_SLACK = 1e-6;

/** For callers that plan and never read: what a stage computes cannot be had. */
const unread: OpenStage = () => ({
  read: async (tensor) => {
    throw new Error(`${tensor.name} is made by a stage, and there is no place that merges it`);
  },
});

/**
 * Checks a recipe against the open checkpoints.
 * @param find the checkpoint that a recipe's model string means, or undefined.
 * @param openStage merges what other recipes of the same text make, where their results are read.
 */
export function check(recipe: Recipe, find: Find, openStage: OpenStage = unread): Check {
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
  for (const checkpoint of new Set([donor, ...models])) findings.push(...quantisation(checkpoint));
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
    findings.push(
      finding(
        'error',
        'nothing-shared',
        `${donor.name} has no tensor of a dtype that can be blended (F32, F16 or BF16).`,
      ),
    );
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
  findings.push(...filterFindings(recipe, cast, order), ...shareFindings(lineup));
  const faulty = faultyWeights(lineup);
  if (faulty) findings.push(faulty);
  return { findings, lineup: refused() ? null : lineup };
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
        `${method.title} blends ${min === max ? min : `${min} to ${max}`} ${max === 1 ? 'model' : 'models'}${method.base === 'required' ? ' beside the base' : ''}; the recipe has ${models.length}.`,
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

/** Layers of another width than the donor's cannot be stacked on its layers, though each slice is sound by itself. */
function widthFindings(slots: readonly Slot[], donor: Checkpoint): Finding[] {
  const shapes = new Map<string, string | null>();
  const templateOf = (name: string) => {
    const place = stackPlaceOf(name);
    return place ? `${place.stack}.*.${place.rest}` : name;
  };
  for (const { name, shape } of donor.tensors.values()) {
    const template = templateOf(name);
    const text = shape.join(' × ');
    // Layers that differ in the donor itself say nothing.
    shapes.set(template, shapes.has(template) && shapes.get(template) !== text ? null : text);
  }
  const odd = new Map<Checkpoint, { name: string; own: string; donors: string }[]>();
  for (const { lead } of slots) {
    const own = entryAt(lead)?.shape.join(' × ');
    const donors = shapes.get(templateOf(lead.name));
    if (own === undefined || !donors || own === donors || hasTokenRows(lead.name)) continue;
    const list = odd.get(lead.checkpoint) ?? [];
    list.push({ name: lead.name, own, donors });
    odd.set(lead.checkpoint, list);
  }
  return [...odd].flatMap(([{ name }, [first, ...more]]) =>
    first
      ? [
          finding(
            'error',
            'shape',
            `${name}’s layers do not fit on ${donor.name}’s: ${first.name} is ${first.own} in ${name} and ${first.donors} in ${donor.name}. Stack models of one width only.`,
            [first, ...more].map((own) => own.name),
          ),
        ]
      : [],
  );
}

/** What is said of tensors that are copied because of their dtype. */
function copyFindings({ copied, tensors, changes, recipe, donor }: Lineup): Finding[] {
  const findings: Finding[] = [];
  const stored = copied.filter(({ entry }) => !['F32', 'F16', 'BF16'].includes(entry.dtype));
  const integers = stored.filter(({ entry }) => /^[IU]\d+$|^BOOL$/.test(entry.dtype));
  const unblended = stored.filter((own) => !integers.includes(own));
  const from = recipe.modules ? '' : ` from ${donor.name}`;
  if (unblended.length > 0) {
    const dtypes = [...new Set(unblended.map(({ entry }) => entry.dtype))].join(', ');
    findings.push(
      finding(
        'warning',
        'not-blended',
        `${tensorCount(unblended.length)} of ${dtypes} ${unblended.length === 1 ? 'is' : 'are'} copied${from} as stored, not blended.`,
        unblended.map(({ name }) => name),
      ),
    );
  }
  if (integers.length > 0) {
    findings.push(
      finding(
        'note',
        'not-blended',
        `${tensorCount(integers.length)} of integers ${integers.length === 1 ? 'is' : 'are'} copied${from}.`,
        integers.map(({ name }) => name),
      ),
    );
  }
  const isRebuilt =
    changes.vocabularyRows !== null ||
    tensors.some(({ sources }) => sources.some(({ file }) => file.name.endsWith(', rows gathered')));
  const stuck = isRebuilt ? copied.filter(({ name }) => hasTokenRows(name)) : [];
  if (stuck.length > 0) {
    findings.push(
      finding(
        'error',
        'rows',
        `${listed(stuck.map(({ name }) => name))} cannot be blended, so its token rows cannot be put in the order of the recipe’s tokenizer; remove the tokenizer from the recipe.`,
        stuck.map(({ name }) => name),
      ),
    );
  }
  return findings;
}

/** What is said of the files beside the weights. */
function outputFindings({ recipe, donor, models, changes }: Lineup): Finding[] {
  const findings: Finding[] = [];
  for (const stack of donor.config ? unnamedCounts(donor.config, changes.restacked) : []) {
    findings.push(
      finding(
        'warning',
        'config',
        `The merge has another number of layers under ${stack} than ${donor.name}, and its config.json names that number under no key known here; correct it by hand.`,
      ),
    );
  }
  if (changes.isTied === false) {
    findings.push(
      finding(
        'note',
        'tied',
        `${donor.name}’s output head is tied to its embeddings, and the first and the last slice have different sources; the merge gets a head of its own, and its config.json says so.`,
      ),
    );
  }
  if (recipe.chatTemplate === 'auto' && chosenTemplate('auto', [donor, ...models]) === null) {
    findings.push(
      finding('warning', 'template', 'None of the models has a chat template, so the merge has none either.'),
    );
  }
  return findings;
}

/** Filters that no tensor's name contains. */
function filterFindings(recipe: Recipe, cast: Cast, order: readonly string[]): Finding[] {
  const names = new Set(order);
  for (const model of [cast.donor, ...cast.models]) for (const name of model.tensors.keys()) names.add(name);
  return idleFilters(recipe, [...names]).map(({ parameter, filter, suggestion }) =>
    finding(
      'warning',
      'parameters',
      `The filter '${filter}' of ${parameter} is part of no tensor’s name, so its value is never used.${suggestion === null ? '' : ` Did you mean '${suggestion}'?`}`,
    ),
  );
}

/** Shares that are fixed by hand to more than there is. */
function shareFindings({ tensors, method }: Lineup): Finding[] {
  if (!Object.hasOwn(method.perModel, 'share')) return [];
  const sums = tensors.map(({ name, perModel }) => ({
    name,
    sum: perModel.reduce((total, { share = Number.NaN }) => total + (Number.isNaN(share) ? 0 : share), 0),
  }));
  const over = sums.filter(({ sum }) => sum > 1 + SHARE_SLACK);
  const [first] = over;
  if (!first) return [];
  return [
    finding(
      'warning',
      'parameters',
      `The shares fixed by hand add up to ${Number(first.sum.toFixed(4))} in ${first.name}${over.length > 1 ? ` and to more than 1 in ${over.length - 1} other tensors` : ''}; above 1 the result overshoots. Lower them so that they add up to 1 or less.`,
      over.map(({ name }) => name),
    ),
  ];
}

/** Weights that come out as no number can be seen before anything is read, where they need no statistics. */
function faultyWeights(lineup: Lineup): Finding | null {
  for (const tensor of lineup.tensors) {
    const unit = unitOf(lineup, tensor);
    if ((unit !== null && unit !== 'element') || passesOf(lineup, tensor).length > 0) continue;
    try {
      weigh(lineup, tensor, null);
    } catch (error) {
      return finding('error', 'weights', error instanceof Error ? error.message : String(error), [tensor.name]);
    }
  }
  return null;
}

function quantisation(checkpoint: Checkpoint): Finding[] {
  const names = [...checkpoint.tensors.keys()].filter((name) => QUANTISED.test(name));
  const declared = checkpoint.config?.quantization_config;
  if (names.length === 0 && (declared === undefined || declared === null)) return [];
  const how =
    typeof declared === 'object' && declared !== null && 'quant_method' in declared
      ? ` (${String(declared.quant_method)})`
      : '';
  return [
    finding(
      'error',
      'quantised',
      `${checkpoint.name} is quantised${how}: its tensors hold packed codes, and averaging codes makes noise. Open the original F16, BF16 or F32 checkpoint instead.`,
      names,
    ),
  ];
}
