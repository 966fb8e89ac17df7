/**
 * Inlining: a function put in place of its call: the cells of its result, returns under masks and out of branches, and
 * what the call comes to. Not its statements (`spmd.ts`).
 */

import { get, OPCODE, set, unsigned, V } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import type { Scope } from './scope.ts';
import type { Flow, Frame, Site } from './site.ts';
import { itemsOf, type Value, type ValueType } from './value.ts';
import { codeOf, converted } from './vector.ts';

/**
 * The frame of a function that is to be inlined.
 * @param type null of a function that gives nothing.
 * @param scope the function's own.
 */
export function frameOf(site: Site, outer: Frame | null, name: string, type: ValueType | null, scope: Scope): Frame {
  const { cells } = site;
  // No mask: it is the function's lanes that see them, whatever the statement that calls it stands under.
  const result = type
    ? Array.from({ length: type.length ?? 1 }, () => cells.create(type.element, scope.locals, null))
    : null;
  const returned = cells.create('bool', scope.locals, null);
  return { outer, name, depth: site.builder.depth, mask: null, returned, result, left: null };
}

/** Writes a return of the function at hand. */
export function returnFrom(site: Site, value: Value | null, place: Place): Flow {
  const { builder, cells, frame } = site;
  if (!frame) throw new KernelError(place, 'a return stands outside of a function');
  const { returned, result, mask } = frame;
  const items = value === null ? [] : itemsOf(value);
  if (items.length !== (result?.length ?? 0)) {
    throw new KernelError(place, result ? `'${frame.name}' has to return a value` : `'${frame.name}' returns no value`);
  }
  const isFirst = returned.constant !== null;
  const before = isFirst ? [] : get(cells.localOf(returned));
  items.forEach((item, n) => {
    const cell = result?.[n];
    if (!cell) return;
    if (isFirst) {
      // Lanes outside of the mask get theirs later.
      cells.put(cell, mask ? { ...item, isUniform: false } : item);
      return;
    }
    const own = codeOf(builder, converted(item, cell.type, place));
    builder.emit(codeOf(builder, cells.read(cell)), own, before, V.bitselect, set(cells.localOf(cell)));
    cell.constant = null;
    cell.isUniform = false;
  });
  if (mask) {
    builder.emit(mask.code, before, isFirst ? [] : V.or, set(cells.localOf(returned)));
    returned.constant = null;
    returned.isUniform = false;
    return 'ends';
  }
  const out = builder.depth - frame.depth - 1;
  if (out <= 0) return 'ends';
  settle(site, frame);
  frame.left ??= { isUniform: true };
  frame.left.isUniform &&= (result ?? []).every((cell) => cell.isUniform);
  builder.emit([OPCODE.br, ...unsigned(out)]);
  return 'leaves';
}

/** Puts results that are constants into their locals, where ways with other results meet. */
export function settle({ builder, cells }: Site, { result }: Frame): void {
  for (const cell of result ?? []) if (cell.constant !== null) builder.emit(cells.settled(cell));
}

/** What a call comes to, once the function's statements are written; null of one that gives nothing. */
export function resultOf(site: Site, frame: Frame, type: ValueType | null): Value | null {
  const cells = frame.result ?? [];
  if (frame.left) {
    for (const cell of cells) {
      cell.constant = null;
      cell.isUniform &&= frame.left.isUniform;
    }
  }
  // In locals of the caller's statement: the cells' own end with the function's scope.
  const items = cells.map((cell) => site.held(site.cells.read(cell)));
  if (!type) return null;
  return type.length === null ? (items[0] ?? null) : { kind: 'array', element: type.element, items };
}
