/**
 * Verdict: the thresholds of the audit, and its findings in words. What was counted and measured comes from
 * `audit.ts`.
 */

import { type BlendedDtype, type Dtype, TORCH_NAMES } from '../formats/dtype.ts';
import type { AuditedTensor, AuditFinding, AuditPlan, AuditTotals } from './audit.ts';
import { LISTED_TENSORS } from './finding.ts';

/**
 * A tensor is told of where its norm is beyond this factor of its largest parent's, or below its smallest parent's
 * divided by it. Averaging K unrelated parents shrinks a norm by √K at most and adding K task vectors seldom doubles
 * it; what lies outside has weights that do not add up to about one, or parents that cancel out.
 */
export const TENSOR_NORM_FACTOR = 4;

/** The same over the whole model, where chance evens out. */
export const MODEL_NORM_FACTOR = 2;

/** What there is to judge. */
export interface Evidence {
  readonly tensors: readonly AuditedTensor[];
  readonly totals: AuditTotals;
  readonly planned: AuditPlan['tensors'];
  readonly configDtype: string | null;
  /** Tensors that keep the dtype of the first parent: a mixture that was there before is no surprise. */
  readonly inherited: ReadonlySet<string>;
  /** The embedding and the head where they should be equal and are not. */
  readonly untied: readonly string[] | null;
}

/** All findings, failures first. */
export function judge(evidence: Evidence): AuditFinding[] {
  const found = [
    nonFinite(evidence),
    incomplete(evidence),
    zeroed(evidence),
    tensorNorms(evidence),
    modelNorm(evidence),
    configDtype(evidence),
    tiedRows(evidence),
  ];
  return found.flatMap((finding) => finding ?? []);
}

function finding(
  severity: AuditFinding['severity'],
  code: AuditFinding['code'],
  message: string,
  tensors: readonly string[] = [],
): AuditFinding {
  return { severity, code, message, tensors: tensors.slice(0, LISTED_TENSORS), tensorCount: tensors.length };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `a (3), b (2) and 5 more`. */
function named(items: readonly (readonly [string, string])[]): string {
  const shown = items.slice(0, 3).map(([name, figure]) => `${name} (${figure})`);
  return `${shown.join(', ')}${items.length > 3 ? ` and ${items.length - 3} more` : ''}`;
}

function nonFinite({ tensors, totals }: Evidence): AuditFinding | null {
  const faulty = tensors.filter((tensor) => (tensor.nonFinite ?? 0) > 0);
  if (faulty.length === 0) return null;
  faulty.sort((a, b) => (b.nonFinite ?? 0) - (a.nonFinite ?? 0));
  const where = named(faulty.map(({ name, nonFinite: count }) => [name, String(count)]));
  const sick = new Set(
    faulty.flatMap(({ parents }) => (parents ?? []).flatMap(({ model, norm }) => (norm === null ? [model] : []))),
  );
  const remedy =
    sick.size === 0
      ? 'Lower the weights, or write a wider dtype.'
      : `${[...sick].join(', ')} may hold such values already: leave that model out, or export it again.`;
  return finding(
    'failure',
    'non-finite',
    `The result holds ${plural(totals.nonFinite, 'NaN or infinite value')}, in ${where}; a model with them does not work. ${remedy}`,
    faulty.map(({ name }) => name),
  );
}

function incomplete({ tensors, totals, planned }: Evidence): AuditFinding | null {
  const written = new Map(tensors.map(({ name, bytes }) => [name, bytes]));
  const wrong = planned.filter(({ name, bytes }) => written.get(name) !== bytes).map(({ name }) => name);
  if (wrong.length === 0) return null;
  return finding(
    'failure',
    'incomplete',
    `The files hold ${plural(totals.tensors, 'tensor')} of ${totals.bytes} bytes, and ${plural(totals.plannedTensors, 'tensor')} of ${totals.plannedBytes} bytes were planned; merge again.`,
    wrong,
  );
}

/** Merged tensors with the norms of their parents, where all of them are known. */
function withNorms(tensors: readonly AuditedTensor[]) {
  return tensors.flatMap(({ name, norm, parents }) => {
    const norms = (parents ?? []).flatMap((parent) => parent.norm ?? []);
    if (norm === null || norms.length === 0 || norms.length < (parents?.length ?? 0)) return [];
    return [{ name, norm, smallest: Math.min(...norms), largest: Math.max(...norms) }];
  });
}

function zeroed({ tensors }: Evidence): AuditFinding | null {
  const zero = withNorms(tensors).filter(({ norm, smallest }) => norm === 0 && smallest > 0);
  if (zero.length === 0) return null;
  return finding(
    'warning',
    'zeroed',
    `The result has only zeros in ${zero.length === 1 ? '1 tensor' : `${zero.length} tensors`} where no parent has, such as ${zero[0]?.name ?? ''}; unless the recipe means it (a scale or weight of 0), look at the weights.`,
    zero.map(({ name }) => name),
  );
}

function tensorNorms({ tensors }: Evidence): AuditFinding | null {
  const far = withNorms(tensors).flatMap(({ name, norm, smallest, largest }) => {
    if (norm === 0) return [];
    if (norm > TENSOR_NORM_FACTOR * largest) return [{ name, factor: norm / largest, text: times(norm, largest) }];
    if (norm * TENSOR_NORM_FACTOR < smallest) return [{ name, factor: smallest / norm, text: times(norm, smallest) }];
    return [];
  });
  if (far.length === 0) return null;
  far.sort((a, b) => b.factor - a.factor);
  return finding(
    'warning',
    'tensor-norm',
    `The norm of ${plural(far.length, 'tensor')} is more than ${TENSOR_NORM_FACTOR} times outside its parents’ range: ${named(far.map(({ name, text }) => [name, text]))}; look at the weights there.`,
    far.map(({ name }) => name),
  );
}

/** `12 × the parent’s`; a result from a parent of zeros has no factor. */
function times(norm: number, parent: number): string {
  return parent === 0 ? 'its parents are zero' : `${Number((norm / parent).toPrecision(2))} × the nearest parent’s`;
}

function modelNorm({ totals }: Evidence): AuditFinding | null {
  const { norm, smallestParents, largestParents } = totals;
  if (norm === null || smallestParents === null || largestParents === null) return null;
  const isLarge = norm > MODEL_NORM_FACTOR * largestParents;
  const isSmall = norm * MODEL_NORM_FACTOR < smallestParents;
  if (!isLarge && !isSmall) return null;
  const parent = isLarge ? largestParents : smallestParents;
  return finding(
    'warning',
    'model-norm',
    `The model’s norm is ${times(norm, parent)}; the weights probably do not add up to what they should. A model that is so much ${isLarge ? 'larger' : 'smaller'} than its parents seldom works.`,
  );
}

/** The name that config.json has for a dtype, where it has one. */
function configName(dtype: Dtype): string | null {
  return TORCH_NAMES[dtype as BlendedDtype] ?? null;
}

function configDtype({ tensors, configDtype: named, inherited }: Evidence): AuditFinding | null {
  if (named === null) return null;
  const merged = tensors.filter(({ made }) => made === 'merged');
  const others = merged.filter(({ dtype }) => configName(dtype) !== named);
  const isAny = others.length < merged.length;
  const told = isAny ? others.filter(({ name }) => !inherited.has(name)) : others;
  if (told.length === 0) return null;
  const dtypes = [...new Set(told.map(({ dtype }) => configName(dtype)))].join(' and ');
  return finding(
    'warning',
    'config-dtype',
    `The config.json says ${named}, and ${told.length} of ${plural(merged.length, 'merged tensor')} are written in ${dtypes}; set out_dtype to write one dtype.`,
    told.map(({ name }) => name),
  );
}

function tiedRows({ untied }: Evidence): AuditFinding | null {
  if (!untied) return null;
  return finding(
    'warning',
    'tied-rows',
    `The config.json ties the output head to the embeddings, and ${untied.join(' and ')} are both stored and differ; most readers use the embeddings for both. Give both the same weights, or set tie_word_embeddings to false.`,
    untied,
  );
}
