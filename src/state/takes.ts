/**
 * Takes: recipe texts that were kept under a name, and the two sides A and B between which a person switches. Pure
 * functions from one list to the next. Not the recipe itself (`history.ts`), not the switching (`takes-store.ts`).
 */

/** A recipe text with a name. */
export interface Take {
  readonly id: number;
  readonly name: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly madeMs: number;
}

/** A side of A and B: a take, or the recipe as it is now. Of the latter the text is kept while the other side is on. */
export type Side =
  | { readonly kind: 'take'; readonly id: number }
  | { readonly kind: 'now'; readonly text: string | null };

export interface TakesState {
  /** In the order in which they were kept. */
  readonly takes: readonly Take[];
  /** The take that the recipe was last put to, or kept as; null where there is none. */
  readonly loaded: number | null;
  readonly a: Side;
  readonly b: Side;
  /** The take that was deleted last, with its place, so that it can come back; null where there is none. */
  readonly deleted: { readonly take: Take; readonly index: number } | null;
}

export type SideName = 'a' | 'b';

export const NOW: Side = { kind: 'now', text: null };
export const NO_TAKES: TakesState = { takes: [], loaded: null, a: NOW, b: NOW, deleted: null };

/** How many takes are kept, and how long a name may be. */
export const MOST_TAKES = 100;
export const MOST_NAME = 60;

/** `Take 1`, `Take 2` …: the number after the largest that is taken. */
export function proposedName(takes: readonly Take[]): string {
  const numbers = takes.map(({ name }) => Number(/^Take (\d{1,6})$/.exec(name)?.[1] ?? 0));
  return `Take ${Math.max(0, ...numbers) + 1}`;
}

/** The take that a text equals; the loaded one where several do. */
export function takeOf({ takes, loaded }: TakesState, text: string): Take | null {
  const equal = takes.filter((take) => take.text === text);
  return equal.find(({ id }) => id === loaded) ?? equal[0] ?? null;
}

/** With a text kept as a new take. The first one becomes A, against the recipe as it goes on from there. */
export function withTake(state: TakesState, text: string, nowMs: number): TakesState {
  if (state.takes.length >= MOST_TAKES) return state;
  const id = Math.max(0, ...state.takes.map((take) => take.id), state.deleted?.take.id ?? 0) + 1;
  const take: Take = { id, name: proposedName(state.takes), text, madeMs: nowMs };
  const isFirst = state.a.kind === 'now' && state.b.kind === 'now';
  return {
    ...state,
    takes: [...state.takes, take],
    loaded: id,
    deleted: null,
    a: isFirst ? { kind: 'take', id } : state.a,
  };
}

/** With another name; an empty one, and one that another take has, changes nothing. */
export function renamed(state: TakesState, id: number, name: string): TakesState {
  const given = name.trim().replaceAll(/\s+/g, ' ').slice(0, MOST_NAME);
  if (given === '' || state.takes.some((take) => take.name === given)) return state;
  return { ...state, takes: state.takes.map((take) => (take.id === id ? { ...take, name: given } : take)) };
}

/** Without a take; what stood at A or B is the recipe as it is now. */
export function withoutTake(state: TakesState, id: number): TakesState {
  const index = state.takes.findIndex((take) => take.id === id);
  const take = state.takes[index];
  if (!take) return state;
  const without = (side: Side): Side => (side.kind === 'take' && side.id === id ? NOW : side);
  return {
    takes: state.takes.toSpliced(index, 1),
    loaded: state.loaded === id ? null : state.loaded,
    a: without(state.a),
    b: without(state.b),
    deleted: { take, index },
  };
}

/** With the take that was deleted last back in its place. */
export function withDeleted(state: TakesState): TakesState {
  if (state.deleted === null) return state;
  const { take, index } = state.deleted;
  const isTaken = state.takes.some(({ name }) => name === take.name);
  const back = isTaken ? { ...take, name: proposedName(state.takes) } : take;
  return { ...state, takes: state.takes.toSpliced(index, 0, back), deleted: null };
}

/** With another take, or now, at a side. What stood there changes places where the other side would be the same. */
export function withSide(state: TakesState, name: SideName, side: Side): TakesState {
  const other: SideName = name === 'a' ? 'b' : 'a';
  const isSame = sideKey(side) === sideKey(state[other]);
  const sides = { [name]: side, ...(isSame ? { [other]: state[name] } : {}) };
  return { ...state, ...sides };
}

/** A side as one string, for lists. */
export function sideKey(side: Side): string {
  return side.kind === 'now' ? 'now' : `take:${side.id}`;
}

/** The side that `sideKey` gave a string for. */
export function sideOf(key: string): Side {
  const id = /^take:(\d+)$/.exec(key)?.[1];
  return id === undefined ? NOW : { kind: 'take', id: Number(id) };
}

/** A side's name on the page. */
export function sideLabel(state: TakesState, side: Side): string {
  if (side.kind === 'now') return 'Now';
  return state.takes.find(({ id }) => id === side.id)?.name ?? 'Now';
}

/** A side's text; `text` is the recipe's. */
export function sideText(state: TakesState, side: Side, text: string): string {
  if (side.kind === 'now') return side.text ?? text;
  return state.takes.find(({ id }) => id === side.id)?.text ?? text;
}

/** Which side the recipe is; null where it is neither. */
export function sideOn(state: TakesState, text: string): SideName | null {
  const is = (side: Side) => (side.kind === 'now' ? side.text === text : sideText(state, side, text) === text);
  if (is(state.a)) return 'a';
  if (is(state.b)) return 'b';
  // What is neither the kept now nor the take is what is now.
  if (state.a.kind === 'now') return 'a';
  return state.b.kind === 'now' ? 'b' : null;
}

/** Where a switch leads: the side, its text, and the sides with the text of now kept. Null: nowhere. */
export function switched(
  state: TakesState,
  text: string,
): { readonly to: SideName; readonly text: string; readonly state: TakesState } | null {
  const on = sideOn(state, text);
  const to: SideName = on === 'a' ? 'b' : 'a';
  const left = on === null ? null : state[on];
  const next = on !== null && left?.kind === 'now' ? { ...state, [on]: { kind: 'now', text } as const } : state;
  const target = sideText(next, next[to], text);
  return target === text ? null : { to, text: target, state: next };
}

/** Why A and B cannot be switched; null where they can. */
export function switchObstacle(state: TakesState, text: string): string | null {
  if (state.takes.length === 0)
    return 'Keep a take first: A and B are two takes, or a take and the recipe as it is now.';
  if (switched(state, text) !== null) return null;
  return `${sideLabel(state, state.a)} and ${sideLabel(state, state.b)} are the same recipe.`;
}
