/**
 * Check: the pre-flight. From headers and side files alone it says whether these checkpoints are siblings, what is
 * missing, mismatched, tied or quantised, and gives the lineup where nothing stands against merging. Reads no
 * weight. Not the recipe's own grammar (`recipe/`), nor what the work will cost (`plan.ts`).
 */

import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import { isBlended, type BlendedDtype } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { layerCountOf } from '../recipe/resolve.ts';
import { compareSideFiles, missingConfig } from './compare.ts';
import { finding, listed, type Finding } from './finding.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { statisticsNeeded, weigh } from './weights.ts';

/** The pre-flight's result; the lineup is null where an error stands. */
export interface Check {
  readonly findings: readonly Finding[];
  readonly lineup: Lineup | null;
}

/** Output heads and the embeddings that they share weights with where config.json says so. */
const TIED: Readonly<Record<string, string>> = { 'lm_head.weight': 'model.embed_tokens.weight' };

/** Buffers that old exports carry and every loader computes for itself. */
const COMPUTED = /\.rotary_emb\.inv_freq$|\.attn\.(bias|masked_bias)$/;

/** Names that only quantised checkpoints have. */
const QUANTISED =
  /\.(quant_state|absmax|quant_map|SCB|qweight|qzeros|weight_scale_inv|weight_scale|scales|g_idx)(\.|$)/;

/**
 * Checks a recipe against the open checkpoints.
 * @param find the checkpoint that a recipe's model string means, or undefined.
 */
export function check(recipe: Recipe, find: (model: string) => Checkpoint | undefined): Check {
  const method = METHODS.get(recipe.method);
  if (!method) throw new Error(`no method '${recipe.method}'`);
  const findings: Finding[] = [];
  const missing = [recipe.base, ...recipe.models.map((entry) => entry.model)].filter(
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
  if (missing.length > 0) return { findings, lineup: null };

  const base = recipe.base === null ? null : (find(recipe.base) ?? null);
  const models = recipe.models.flatMap((entry) => find(entry.model) ?? []);
  if (method.base === 'required' && !base) {
    findings.push(
      finding(
        'error',
        'no-base',
        `${method.title} takes differences from a base; choose which checkpoint is the base.`,
      ),
    );
  }
  if (models.length < method.models.min || models.length > method.models.max) {
    const { min, max } = method.models;
    findings.push(
      finding(
        'error',
        'too-few-models',
        `${method.title} blends ${min} to ${max} models${method.base === 'required' ? ' beside the base' : ''}; the recipe has ${models.length}.`,
      ),
    );
  }
  const twice = models.find((model, k) => models.indexOf(model) !== k);
  if (twice) {
    findings.push(
      finding('error', 'same-model', `${twice.name} stands twice among the models, under two names; keep one of them.`),
    );
  }
  const donor = base ?? models[0];
  if (!donor || findings.length > 0) return { findings, lineup: null };
  for (const model of models) {
    if (model === base) {
      if (method.base === 'required') {
        findings.push(
          finding('warning', 'same-model', `${model.name} is both the base and a model; it adds no change of its own.`),
        );
      }
    }
  }

  const others = [...new Set(models)].filter((model) => model !== donor);
  for (const checkpoint of new Set([donor, ...models])) findings.push(...quantisation(checkpoint));
  for (const other of others) findings.push(...compareTensors(donor, other));
  findings.push(...missingConfig(donor));
  for (const other of others) findings.push(...compareSideFiles(donor, other));
  if (findings.some((f) => f.severity === 'error')) return { findings, lineup: null };

  const { tensors, copied } = lineUp(method, recipe, donor, base, models);
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
  const unblended = copied.filter((entry) => !/^[IU]\d+$|^BOOL$/.test(entry.dtype));
  if (unblended.length > 0) {
    const dtypes = [...new Set(unblended.map((entry) => entry.dtype))].join(', ');
    findings.push(
      finding(
        'warning',
        'not-blended',
        `${tensorCount(unblended.length)} of ${dtypes} ${unblended.length === 1 ? 'is' : 'are'} copied from ${donor.name} as stored, not blended.`,
        unblended.map((e) => e.name),
      ),
    );
  }
  const integers = copied.filter((entry) => !unblended.includes(entry));
  if (integers.length > 0) {
    findings.push(
      finding(
        'note',
        'not-blended',
        `${tensorCount(integers.length)} of integers ${integers.length === 1 ? 'is' : 'are'} copied from ${donor.name}.`,
        integers.map((e) => e.name),
      ),
    );
  }
  const lineup: Lineup = {
    recipe,
    method,
    base: method.base === 'required' ? base : null,
    models,
    donor,
    tensors,
    copied,
    layers: layerCountOf(tensors.map((tensor) => tensor.name)),
  };
  const faulty = faultyWeights(lineup);
  if (faulty) findings.push(faulty);
  return { findings, lineup: findings.some((f) => f.severity === 'error') ? null : lineup };
}

/** Weights that come out as no number can be seen before anything is read, where they need no statistics. */
function faultyWeights(lineup: Lineup): Finding | null {
  if (statisticsNeeded(lineup) !== 'none') return null;
  for (const tensor of lineup.tensors) {
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

/** The entry of a tensor in a checkpoint, through the embeddings that a tied head shares. */
function entryOf(checkpoint: Checkpoint, name: string): TensorEntry | undefined {
  const own = checkpoint.tensors.get(name);
  if (own) return own;
  const shared = TIED[name];
  return shared !== undefined && isTied(checkpoint) ? checkpoint.tensors.get(shared) : undefined;
}

function isTied(checkpoint: Checkpoint): boolean {
  return checkpoint.config?.tie_word_embeddings === true;
}

function compareTensors(donor: Checkpoint, other: Checkpoint): Finding[] {
  const findings: Finding[] = [];
  const shapes: string[] = [];
  const missing: string[] = [];
  let example = '';
  for (const [name, entry] of donor.tensors) {
    const counterpart = entryOf(other, name);
    if (!counterpart) {
      if (!COMPUTED.test(name)) missing.push(name);
    } else if (counterpart.shape.join() !== entry.shape.join()) {
      shapes.push(name);
      example ||= `${name} is ${shapeText(entry)} in ${donor.name} and ${shapeText(counterpart)} in ${other.name}`;
    }
  }
  const extra = [...other.tensors.keys()].filter((name) => !entryOf(donor, name) && !COMPUTED.test(name));
  if (missing.length === donor.tensors.size) {
    return [
      finding(
        'error',
        'nothing-shared',
        `${other.name} and ${donor.name} share no tensor name: they are different architectures and cannot be merged.`,
        missing,
      ),
    ];
  }
  if (shapes.length > 0) {
    const more = shapes.length > 1 ? ` (${shapes.length} tensors differ: ${listed(shapes)})` : '';
    findings.push(
      finding(
        'error',
        'shape',
        `${other.name} is not a sibling of ${donor.name}: ${example}${more}. Merge fine-tunes of one base only.`,
        shapes,
      ),
    );
  }
  if (missing.length > 0) {
    findings.push(
      finding(
        'error',
        'missing-tensors',
        `${other.name} lacks ${missing.length} of ${donor.name}’s tensors: ${listed(missing)}. Is a shard missing, or is it another architecture?`,
        missing,
      ),
    );
  }
  if (extra.length > 0) {
    findings.push(
      finding(
        'warning',
        'extra-tensors',
        `${other.name} has ${tensorCount(extra.length)} that ${donor.name} lacks, left out of the merge: ${listed(extra)}.`,
        extra,
      ),
    );
  }
  const head = 'lm_head.weight';
  if (donor.tensors.has(head) !== other.tensors.has(head) && !missing.includes(head)) {
    const stored = donor.tensors.has(head) ? donor : other;
    if (stored === other && !isTied(other)) {
      findings.push(
        finding(
          'warning',
          'tied',
          `${other.name} has an output head of its own (lm_head.weight) and ${donor.name}’s is tied to the embeddings; the merge is tied too, so that head is left out.`,
          [head],
        ),
      );
    } else {
      findings.push(
        finding(
          'note',
          'tied',
          `${stored.name} stores lm_head.weight and the other does not, because its head is tied to the embeddings; the merge follows ${donor.name}.`,
          [head],
        ),
      );
    }
  }
  const dtypes = differingDtypes(donor, other);
  if (dtypes) findings.push(dtypes);
  return findings;
}

function tensorCount(count: number): string {
  return count === 1 ? '1 tensor' : `${count} tensors`;
}

function shapeText(entry: TensorEntry): string {
  return entry.shape.length === 0 ? 'a scalar' : entry.shape.join(' × ');
}

function differingDtypes(donor: Checkpoint, other: Checkpoint): Finding | null {
  const names: string[] = [];
  const broken: string[] = [];
  for (const [name, entry] of donor.tensors) {
    const counterpart = entryOf(other, name);
    if (!counterpart || counterpart.dtype === entry.dtype) continue;
    if (isBlended(counterpart.dtype) && isBlended(entry.dtype)) names.push(name);
    else broken.push(name);
  }
  if (broken.length > 0) {
    const [first = ''] = broken;
    return finding(
      'error',
      'dtype',
      `${first} is ${donor.tensors.get(first)?.dtype} in ${donor.name} and ${entryOf(other, first)?.dtype} in ${other.name}; only F32, F16 and BF16 can be mixed.`,
      broken,
    );
  }
  if (names.length === 0) return null;
  const [first = ''] = names;
  return finding(
    'note',
    'dtype',
    `${tensorCount(names.length)} ${names.length === 1 ? 'is' : 'are'} ${entryOf(other, first)?.dtype} in ${other.name} and ${donor.tensors.get(first)?.dtype} in ${donor.name}; both are read exactly.`,
    names,
  );
}

function lineUp(
  method: Method,
  recipe: Recipe,
  donor: Checkpoint,
  base: Checkpoint | null,
  models: readonly Checkpoint[],
): { tensors: BlendTensor[]; copied: TensorEntry[] } {
  const tensors: BlendTensor[] = [];
  const copied: TensorEntry[] = [];
  const takers = method.base === 'required' && base ? [base, ...models] : models;
  for (const entry of donor.tensors.values()) {
    const sources = takers.flatMap((checkpoint) => entryOf(checkpoint, entry.name) ?? []);
    const dtypes = sources.map((source) => source.dtype);
    if (sources.length < takers.length || !dtypes.every(isBlended) || !isBlended(entry.dtype)) {
      copied.push(entry);
      continue;
    }
    tensors.push({
      name: entry.name,
      shape: entry.shape,
      elements: entry.elements,
      rowElements: entry.shape.length >= 2 ? entry.elements / Math.max(1, entry.shape[0] ?? 1) : entry.elements,
      sources,
      dtypes,
      out: recipe.outDtype ?? (method.base === 'required' ? entry.dtype : promoted(dtypes)),
    });
  }
  return { tensors, copied };
}

/** PyTorch's promotion, which mergekit's linear follows: equal dtypes stay, mixed ones become F32. */
function promoted(dtypes: readonly BlendedDtype[]): BlendedDtype {
  const [first = 'F32'] = dtypes;
  return dtypes.every((dtype) => dtype === first) ? first : 'F32';
}
