/**
 * Check findings: what the pre-flight says of a lineup as a whole: quantised checkpoints, layers of another width,
 * tensors that are copied, files beside the weights, filters and shares. What tensors do not fit is `misfits.ts`.
 */

import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Values } from '../methods/method.ts';
import { idleFilters } from '../recipe/filters.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { stackPlaceOf } from '../recipe/stack.ts';
import { chosenTemplate } from './chat-template.ts';
import { unnamedCounts } from './config-edits.ts';
import { finding, type Finding } from './finding.ts';
import type { Lineup } from './lineup.ts';
import { tensorCount } from './misfits.ts';
import { type Cast, entryAt, type Slot } from './slots.ts';
import { hasTokenRows } from './tied.ts';

/** Shares that are given as rounded decimals may add up to a little more than one. */
const SHARE_SLACK = 1e-6;

/** Names that only quantised checkpoints have. */
const QUANTISED =
  /\.(quant_state|absmax|quant_map|SCB|qweight|qzeros|weight_scale_inv|weight_scale|scales|g_idx)(\.|$)/;

/** A quantised checkpoint, by its tensors or its config. */
export function quantisationFindings(checkpoint: Checkpoint): Finding[] {
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

/** Layers of another width than the donor's cannot be stacked on its layers, though each slice is sound by itself. */
export function widthFindings(slots: readonly Slot[], donor: Checkpoint): Finding[] {
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
export function copyFindings({ copied, tensors, changes, recipe, donor }: Lineup): Finding[] {
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
export function outputFindings({ recipe, donor, models, changes }: Lineup): Finding[] {
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
  if (recipe.chatTemplate === 'auto' && chosenTemplate('auto', [donor, ...models]) === null) {
    findings.push(
      finding('warning', 'template', 'None of the models has a chat template, so the merge has none either.'),
    );
  }
  return findings;
}

/** Filters that no tensor's name contains. */
export function filterFindings(recipe: Recipe, cast: Cast, order: readonly string[]): Finding[] {
  const names = new Set(order);
  for (const model of [cast.donor, ...cast.models]) for (const name of model.tensors.keys()) names.add(name);
  return idleFilters(recipe, [...names]).map(({ parameter, filter, suggestion }) => ({
    ...finding(
      'warning',
      'parameters',
      `The filter '${filter}' of ${parameter} is part of no tensor’s name, so its value is never used.${suggestion === null ? '' : ` Did you mean '${suggestion}'?`}`,
    ),
    filter,
  }));
}

/** Parameters that are shares of a tensor's elements: above 1 there is nothing more to keep. */
const PORTIONS = ['density', 'select_topk', 'gamma'];

/** Shares of elements that are no shares. */
export function portionFindings({ tensors }: Lineup): Finding[] {
  return PORTIONS.flatMap((name) => {
    const oddIn = (values: Values) => {
      const value = values[name];
      return value !== undefined && (value < 0 || value > 1) ? value : undefined;
    };
    const odd: { readonly tensor: string; readonly value: number }[] = [];
    for (const { name: tensor, params, perModel } of tensors) {
      let value = oddIn(params);
      for (const values of perModel) value ??= oddIn(values);
      if (value !== undefined) odd.push({ tensor, value });
    }
    const [first] = odd;
    if (!first) return [];
    return [
      finding(
        'warning',
        'parameters',
        `${name} is a share from 0 to 1, and in ${first.tensor} it is ${first.value}; ${first.value > 1 ? 'above 1 it is the same as 1' : 'below 0 it is the same as 0'}.`,
        odd.map((own) => own.tensor),
      ),
    ];
  });
}

/** Parameters that are finite as they are written and not in float32, in which kernels know them. */
export function magnitudeFindings({ tensors }: Lineup): Finding[] {
  const isInfinite = (value: number) => Number.isFinite(value) && !Number.isFinite(Math.fround(value));
  // Most tensors share their values.
  const sound = new Set<Values>();
  const infiniteIn = (values: Values) => {
    if (sound.has(values)) return undefined;
    const found = Object.entries(values).find(([, value]) => isInfinite(value));
    if (!found) sound.add(values);
    return found;
  };
  for (const { name, params, perModel } of tensors) {
    let found = infiniteIn(params);
    for (const values of perModel) found ??= infiniteIn(values);
    if (!found) continue;
    return [
      finding(
        'error',
        'parameters',
        `${found[0]} is ${found[1]} in ${name}, and numbers of that size are infinite in float32; choose one nearer to 1.`,
        [name],
      ),
    ];
  }
  return [];
}

/** Parameters that the method cannot use together, as it says itself; the first refusal, and every tensor that has one. */
export function clashFindings({ tensors, method }: Lineup): Finding[] {
  const { check } = method;
  if (!check) return [];
  const refused = tensors.flatMap(({ name, params, perModel }) => {
    try {
      check({ tensor: name, params, perModel });
      return [];
    } catch (error) {
      return [{ name, message: error instanceof Error ? error.message : String(error) }];
    }
  });
  const [first] = refused;
  if (!first) return [];
  const more = refused.length - 1;
  const others = more > 0 ? ` (and in ${more} more ${more === 1 ? 'tensor' : 'tensors'})` : '';
  return [
    finding(
      'error',
      'parameters',
      `${first.message.replace(/\.$/, '')}${others}.`,
      refused.map(({ name }) => name),
    ),
  ];
}

/** Shares that are fixed by hand to more than there is. */
export function shareFindings({ tensors, method }: Lineup): Finding[] {
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
