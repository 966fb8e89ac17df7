/**
 * Token rows: which row of which model becomes which row of the result, token by token, by mergekit's rules. A model's
 * own row where it has the token; else the row that the recipe names; else the row of the only model that has it; else
 * the base's; else the mean of those that have it; else zeros. Which tokens there are is `output-tokenizer.ts`; reading
 * the rows is `row-source.ts`.
 */

import { MEAN, MEAN_OF_ROWS, type RowPlan, ZERO } from './row-source.ts';

/** A model as far as its rows go. */
export interface RowHolder {
  /** Number of every token; those beyond its rows count as missing. */
  readonly ids: ReadonlyMap<string, number>;
  /** Rows of its tensor. */
  readonly rows: number;
}

/** A token that the recipe speaks of, its model as an index into the holders. */
export interface TokenRule {
  readonly source:
    | { readonly kind: 'model'; readonly holder: number }
    | { readonly kind: 'row'; readonly holder: number; readonly row: number }
    | { readonly kind: 'zero' };
  readonly force: boolean;
}

/** What decides the rows. */
export interface RowRules {
  /** Every model that has rows, the base among them. */
  readonly holders: readonly RowHolder[];
  /** Index of the base, or null. */
  readonly base: number | null;
  /** Tokens of the result with their numbers. */
  readonly ids: ReadonlyMap<string, number>;
  /** Rows of the result. */
  readonly rows: number;
  readonly tokens: ReadonlyMap<string, TokenRule>;
  /** The holder whose padding rows are kept; null to fill rows beyond the tokens with their mean. */
  readonly padding: number | null;
}

interface Origin {
  readonly source: number;
  readonly row: number;
  readonly members?: readonly (readonly [number, number])[];
}

/** The row of a holder's own, or −1. */
function ownRow({ ids, rows }: RowHolder, token: string): number {
  const id = ids.get(token);
  return id !== undefined && id < rows ? id : -1;
}

/** Where the row of a token comes from in models that lack it. */
function fallback(rules: RowRules, token: string): Origin {
  const { holders, base } = rules;
  const rule = rules.tokens.get(token);
  if (rule) {
    const { source } = rule;
    if (source.kind === 'zero') return { source: ZERO, row: 0 };
    const holder = holders[source.holder];
    const row = source.kind === 'row' ? source.row : holder ? ownRow(holder, token) : -1;
    return row < 0 ? { source: ZERO, row: 0 } : { source: source.holder, row };
  }
  const members = holders.flatMap((holder, k) => {
    const row = ownRow(holder, token);
    return row < 0 ? [] : [[k, row] as const];
  });
  const [first] = members;
  if (first === undefined) return { source: ZERO, row: 0 };
  if (members.length === 1) return { source: first[0], row: first[1] };
  const baseRow = members.find(([k]) => k === base);
  if (baseRow) return { source: baseRow[0], row: baseRow[1] };
  return { source: MEAN, row: 0, members };
}

/** The plans of all holders, in their order: every one takes its rows from any of them. */
export function planRows(rules: RowRules): RowPlan[] {
  const { holders, ids, rows, padding } = rules;
  const realRows = Math.min(rows, ids.size);
  const plans = holders.map(() => ({
    source: new Int32Array(rows).fill(padding === null ? MEAN_OF_ROWS : ZERO),
    row: new Int32Array(rows),
    means: new Map<number, readonly (readonly [number, number])[]>(),
    realRows,
  }));
  if (padding !== null) keepPadding(rules, plans, padding);
  for (const [token, id] of ids) {
    if (id >= rows) continue;
    const isForced = rules.tokens.get(token)?.force === true;
    const own = holders.map((holder) => (isForced ? -1 : ownRow(holder, token)));
    const shared = own.includes(-1) ? fallback(rules, token) : null;
    plans.forEach((plan, k) => {
      const row = own[k] ?? -1;
      const origin = row >= 0 || shared === null ? { source: k, row } : shared;
      plan.source[id] = origin.source;
      plan.row[id] = origin.row;
      if ('members' in origin && origin.members) plan.means.set(id, origin.members);
    });
  }
  return plans;
}

/** Rows without a token: the model's own where it has one there too, else those of the padding's holder. */
function keepPadding(
  { holders, rows }: RowRules,
  plans: readonly { source: Int32Array; row: Int32Array }[],
  padding: number,
): void {
  const taken = holders.map(({ ids }) => new Set(ids.values()));
  const lender = holders[padding];
  plans.forEach((plan, k) => {
    for (let row = 0; row < rows; row++) {
      const isOwn = row < (holders[k]?.rows ?? 0) && !taken[k]?.has(row);
      const isLent = row < (lender?.rows ?? 0);
      if (!isOwn && !isLent) continue;
      plan.source[row] = isOwn ? k : padding;
      plan.row[row] = row;
    }
  });
}
