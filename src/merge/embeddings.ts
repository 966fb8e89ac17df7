/**
 * Embeddings: what becomes of the tensors that have a row per token. Without a tokenizer in the recipe, rows stay, or
 * are cut to those that all models have where that loses no token of the result. With one, every model's rows are put
 * in the order of the result's tokens. Which row comes from where is `token-rows.ts`.
 */

import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import { vocabularyOf } from '../formats/vocabulary.ts';
import type { TokenizerSetting } from '../recipe/recipe.ts';
import { finding, type Finding } from './finding.ts';
import type { OutputChanges } from './lineup.ts';
import { type OutputTokenizer, outputTokenizer, tokensListed } from './output-tokenizer.ts';
import { gatherRows, type RowPlan } from './row-source.ts';
import { type Cast, entryAt, type Slot } from './slots.ts';
import { embeddingsOf, hasTokenRows } from './tied.ts';
import { planRows, type RowHolder, type TokenRule } from './token-rows.ts';

/** A checkpoint's part in one tensor. */
export interface Member {
  readonly checkpoint: Checkpoint;
  readonly entry: TensorEntry;
}

/** What a merge does with token rows. */
export interface Embeddings {
  /** The entries to blend instead of the stored ones; null where those stay. */
  readonly rowsOf: (slot: Slot, members: readonly Member[]) => readonly TensorEntry[] | null;
  readonly changes: Pick<OutputChanges, 'vocabularyRows' | 'files' | 'movedTokens'>;
  readonly findings: readonly Finding[];
}

const UNCHANGED: Embeddings['changes'] = { vocabularyRows: null, files: null, movedTokens: new Map() };

/** Decides on token rows. With an error among the findings nothing else is of use. */
export function embeddings(cast: Cast, slots: readonly Slot[]): Embeddings {
  const { tokenizer } = cast.recipe;
  return tokenizer ? rebuilt(cast, tokenizer) : kept(cast, slots);
}

function rowsIn(checkpoint: Checkpoint): number | null {
  const name = embeddingsOf(checkpoint);
  return (name === null ? undefined : checkpoint.tensors.get(name)?.shape[0]) ?? null;
}

/** Everyone with rows: the base first, then the models, each once. */
function membersOf({ base, models }: Cast): Checkpoint[] {
  return [...new Set([...(base ? [base] : []), ...models])];
}

function kept(cast: Cast, slots: readonly Slot[]): Embeddings {
  const heights = new Map<Checkpoint, number>();
  for (const slot of slots) {
    if (!hasTokenRows(slot.name)) continue;
    for (const place of [slot.lead, ...(slot.base ? [slot.base] : []), ...slot.models]) {
      const rows = entryAt(place)?.shape[0];
      if (rows !== undefined) heights.set(place.checkpoint, Math.min(rows, heights.get(place.checkpoint) ?? rows));
    }
  }
  const fewest = Math.min(...heights.values());
  if (new Set(heights.values()).size < 2) return { rowsOf: () => null, changes: UNCHANGED, findings: [] };
  const findings = cutFindings(cast.donor, heights, fewest);
  const rowsOf: Embeddings['rowsOf'] = (slot, members) => {
    if (!hasTokenRows(slot.name) || members.every(({ entry }) => entry.shape[0] === fewest)) return null;
    return members.map(({ entry }) => cut(entry, fewest));
  };
  const isShorter = fewest < (heights.get(cast.donor) ?? fewest);
  return { rowsOf, changes: { ...UNCHANGED, vocabularyRows: isShorter ? fewest : null }, findings };
}

/** The first rows of a tensor: the same bytes, fewer of them. */
function cut(entry: TensorEntry, rows: number): TensorEntry {
  const [all = 0, ...rest] = entry.shape;
  if (all <= rows) return entry;
  return {
    ...entry,
    shape: [rows, ...rest],
    elements: (entry.elements / all) * rows,
    end: entry.start + ((entry.end - entry.start) / all) * rows,
  };
}

const UNION = "'tokenizer_source: union' in the recipe keeps every model’s tokens and matches rows by token";

/** What is said of models whose token rows are not as many. */
function cutFindings(donor: Checkpoint, heights: ReadonlyMap<Checkpoint, number>, fewest: number): Finding[] {
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], message: string) => findings.push(finding(severity, 'rows', message));
  const figures = [...heights].map(([{ name }, rows]) => `${name} ${rows}`).join(', ');
  const mine = vocabularyOf(donor);
  const lost = mine ? [...mine.ids].filter(([, id]) => id >= fewest).map(([token]) => token) : [];
  if (lost.length > 0) {
    add(
      'error',
      `The models have different numbers of token rows (${figures}), and cut to the ${fewest} that all have, ${donor.name} would lose ${lost.length} tokens (${tokensListed(lost)}). ${UNION}; 'tokenizer_source: base' keeps ${donor.name}’s.`,
    );
    return findings;
  }
  for (const [other] of heights) {
    const theirs = vocabularyOf(other);
    if (other === donor || !mine || !theirs) continue;
    const differing = [...mine.ids]
      .filter(([token, id]) => id < fewest && theirs.ids.get(token) !== id)
      .map(([token]) => token);
    if (differing.length > 0) {
      add(
        'error',
        `The models have different numbers of token rows (${figures}), and the first ${fewest} do not mean the same: ${differing.length} tokens (${tokensListed(differing)}) have another number in ${other.name}, or none. ${UNION}.`,
      );
    }
  }
  if (findings.length > 0) return findings;
  const gone = [...heights.keys()].flatMap((other) =>
    [...(vocabularyOf(other)?.ids ?? [])].filter(([, id]) => id >= fewest).map(([token]) => token),
  );
  const tokens = [...new Set(gone)];
  const loss =
    tokens.length > 0
      ? `${tokens.length} tokens are lost (${tokensListed(tokens)})`
      : mine
        ? 'no token is lost'
        : `${donor.name} has no tokenizer.json to tell which tokens that loses`;
  add(
    'warning',
    `The models have different numbers of token rows (${figures}); the merge keeps the ${fewest} that all have, as mergekit does: ${loss}. ${UNION}.`,
  );
  return findings;
}

function rebuilt(cast: Cast, setting: TokenizerSetting): Embeddings {
  const { donor, find } = cast;
  const members = membersOf(cast);
  const { tokenizer, findings } = outputTokenizer(setting, donor, members, find, rowsIn);
  if (!tokenizer) return { rowsOf: () => null, changes: UNCHANGED, findings };
  const issues = [...findings, ...ruleFindings(setting, members, find)];
  const top = [...tokenizer.ids.values()].reduce((most, id) => Math.max(most, id + 1), 0);
  const multiple = setting.padToMultipleOf;
  // Padding rows that are there stay, unless another padding is asked for.
  const held = multiple === null ? Math.max(top, rowsIn(tokenizer.lender) ?? 0) : top;
  const rows = multiple === null ? held : Math.ceil(held / multiple) * multiple;
  const before = rowsIn(donor);
  if (before !== null && rows < before) {
    issues.push(
      finding(
        'warning',
        'rows',
        `The merge has ${rows} token rows, and ${donor.name} has ${before}; config.json’s vocab_size follows. Tools that insist on the old number need ‘pad_to_multiple_of’.`,
      ),
    );
  }
  const rowsOf: Embeddings['rowsOf'] = (slot, own) =>
    hasTokenRows(slot.name) ? rebuildRows(cast, setting, tokenizer, rows, slot, own) : null;
  const changes = {
    vocabularyRows: rows === before ? null : rows,
    files: tokenizer.files,
    movedTokens: moved(donor, tokenizer),
  };
  return { rowsOf, changes, findings: issues };
}

/** Tokens of the donor that have another number in the result. */
function moved(donor: Checkpoint, tokenizer: OutputTokenizer): Map<number, number> {
  const moves = new Map<number, number>();
  if (tokenizer.lender === donor) return moves;
  for (const [token, id] of vocabularyOf(donor)?.ids ?? []) {
    const its = tokenizer.ids.get(token);
    if (its !== undefined && its !== id) moves.set(id, its);
  }
  return moves;
}

/** The recipe's tokens, held against the models that they name. */
function ruleFindings(setting: TokenizerSetting, members: readonly Checkpoint[], find: Cast['find']): Finding[] {
  return setting.tokens.flatMap(({ token, source }) => {
    if (source.kind === 'zero') return [];
    const model = find(source.model);
    const error = (message: string) => [finding('error', 'tokenizer', message)];
    const name = JSON.stringify(token);
    if (!model || !members.includes(model)) {
      return error(
        `The recipe takes the token ${name} from ${source.model}, which is not among its models; name one of them.`,
      );
    }
    const wanted = source.kind === 'model' ? token : source.token;
    const id = typeof wanted === 'number' ? wanted : vocabularyOf(model)?.ids.get(wanted);
    const rows = rowsIn(model) ?? 0;
    if (id === undefined)
      return error(`${source.model} has no token ${JSON.stringify(wanted)}, which the recipe takes for ${name}.`);
    if (id >= rows)
      return error(
        `The token of ${source.model} that the recipe takes for ${name} has the number ${id}, and the model has ${rows} rows.`,
      );
    return [];
  });
}

/** Plans by the tensors that they are made for: embeddings and heads mostly share one. */
const plans = new WeakMap<OutputTokenizer, Map<string, readonly RowPlan[]>>();

function rebuildRows(
  cast: Cast,
  setting: TokenizerSetting,
  tokenizer: OutputTokenizer,
  rows: number,
  slot: Slot,
  own: readonly Member[],
): TensorEntry[] {
  const wanted = [
    cast.base,
    tokenizer.lender,
    ...setting.tokens.flatMap(({ source }) => ('model' in source ? (cast.find(source.model) ?? []) : [])),
  ];
  const members = [...own];
  for (const checkpoint of wanted) {
    if (!checkpoint || members.some((member) => member.checkpoint === checkpoint)) continue;
    const entry = entryAt({ checkpoint, name: slot.name });
    if (entry && entry.shape.slice(1).join() === own[0]?.entry.shape.slice(1).join())
      members.push({ checkpoint, entry });
  }
  const indexOf = (checkpoint: Checkpoint | undefined) =>
    members.findIndex((member) => member.checkpoint === checkpoint);
  const holders = members.map(
    ({ checkpoint, entry }): RowHolder => ({
      ids: (vocabularyOf(checkpoint) ?? vocabularyOf(tokenizer.lender))?.ids ?? tokenizer.ids,
      rows: entry.shape[0] ?? 0,
    }),
  );
  const tokens = new Map(
    setting.tokens.map(({ token, source, force }): [string, TokenRule] => {
      if (source.kind === 'zero') return [token, { source, force }];
      const model = cast.find(source.model);
      const holder = indexOf(model);
      if (source.kind === 'model') return [token, { source: { kind: 'model', holder }, force }];
      const row =
        typeof source.token === 'number' ? source.token : ((model && vocabularyOf(model)?.ids.get(source.token)) ?? -1);
      return [token, { source: { kind: 'row', holder, row }, force }];
    }),
  );
  const base = cast.base ? indexOf(cast.base) : -1;
  const lender = indexOf(tokenizer.lender);
  const key = JSON.stringify([rows, members.map(({ checkpoint, entry }) => [checkpoint.name, entry.shape[0]])]);
  const known = plans.get(tokenizer) ?? new Map<string, readonly RowPlan[]>();
  plans.set(tokenizer, known);
  const planned =
    known.get(key) ??
    planRows({
      holders,
      base: base < 0 ? null : base,
      ids: tokenizer.ids,
      rows,
      tokens,
      padding: setting.padToMultipleOf === null ? Math.max(0, lender) : null,
    });
  known.set(key, planned);
  const entries = members.map(({ entry }) => entry);
  return own.map(({ entry }, k) => {
    const plan = planned[k];
    return plan && !isAsStored(plan, k, entry) ? gatherRows(entry.name, entries, plan) : entry;
  });
}

/** Whether a plan gives every row as it is stored, so that nothing has to be gathered. */
function isAsStored({ source, row }: RowPlan, k: number, entry: TensorEntry): boolean {
  return entry.shape[0] === source.length && source.every((own, i) => own === k && row[i] === i);
}
