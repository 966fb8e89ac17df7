/**
 * Tree: finding and changing places in a recipe's YAML tree, and printing it in the person's own style. Which
 * changes there are is `edit.ts`; reading positions and refusing hostile text is `document.ts`.
 */

import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Pair,
  parseDocument,
  type Scalar as ScalarNode,
  visit,
  YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { RecipeFault } from '../bytes/fault.ts';
import { placeComments } from './comment-places.ts';
import { openDocument, quoted, splitDocuments } from './document.ts';
import { keepLayout, keepLines, rejoinComments } from './kept-lines.ts';
import type { Scalar } from './recipe.ts';

/** Every alias becomes a copy of what it refers to, so that a change in one place stays in that place. */
function expandAliases(document: Document): void {
  visit(document, {
    Alias(_, alias) {
      const copy = alias.resolve(document)?.clone();
      return isNode(copy) ? copy : undefined;
    },
  });
  visit(document, {
    Node(_, node) {
      if (!isAlias(node) && 'anchor' in node) delete (node as { anchor?: string }).anchor;
    },
  });
}

/** Prints a changed tree in the text's own style, lines that the change did not touch as they were. */
function print(document: Document, text: string): string {
  const printed = rejoinComments(
    text,
    document.toString({
      lineWidth: 0,
      // Brackets stand tight, as in mergekit's own examples, unless the text has them padded throughout.
      flowCollectionPadding: /[[{] \S/.test(text) && !/[[{][^\s[\]{}]/.test(text),
      indentSeq: !/^(?:\w+):[^\S\n]*\n(?:#.*\n)*- /m.test(text),
    }),
  );
  // The kept spelling must say what the tree says; where it does not, the tree's own print is right.
  const meant = JSON.stringify(document.toJS());
  const saysSame = (own: string) => {
    const read = parseDocument(own, { logLevel: 'silent' });
    return read.errors.length === 0 && JSON.stringify(read.toJS()) === meant;
  };
  const layout = keepLayout(text, printed);
  if (saysSame(layout)) return layout;
  const kept = keepLines(text, printed);
  return saysSame(kept) ? kept : printed;
}

/** Opens the text, lets `change` work on its top-level map and prints it; `change` returns false for "no change". */
export function edit(text: string, change: (top: YAMLMap, document: Document) => boolean): string {
  if (splitDocuments(text).length > 1) {
    throw new RecipeFault("This text holds several recipes ('---' between them); change it in the text itself.");
  }
  // The tree takes the first half of a line's end on Windows for part of a comment.
  const isWindows = text.includes('\r\n');
  const lines = isWindows ? text.replaceAll('\r\n', '\n') : text;
  const { document, problems } = openDocument(lines);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new RecipeFault(`The recipe cannot be changed before line ${problem.line} is mended. ${problem.message}`, {
      ...problem,
    });
  }
  placeComments(document, lines);
  expandAliases(document);
  if (isScalar(document.contents) && document.contents.value === null) document.contents = null;
  document.contents ??= new YAMLMap();
  if (!isMap(document.contents)) {
    throw new RecipeFault("The recipe cannot be changed: it is not a map with 'merge_method' and 'models'.");
  }
  if (!change(document.contents as YAMLMap, document)) return text;
  const out = print(document, lines);
  return isWindows ? out.replaceAll('\n', '\r\n') : out;
}

export function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
}

/** Sets a key of a map in place, keeping comments at a scalar that stays one; false where it says so already. */
export function setKey(
  document: Document,
  map: YAMLMap,
  key: string,
  value: Scalar,
  order?: readonly string[],
): boolean {
  const pair = pairOf(map, key);
  if (pair === undefined) {
    insert(document, map, key, document.createNode(value), order);
    return true;
  }
  if (isScalar(pair.value)) return setScalar(pair.value, value);
  replaceValue(pair, document.createNode(value));
  return true;
}

/** Puts another value into a pair; the comment at the end of the old one's line stays. */
export function replaceValue(pair: Pair, value: unknown): void {
  const old = pair.value;
  pair.value = value;
  if (!isNode(old) || !isNode(value)) return;
  if (isCollection(old) && !old.flow) {
    // A block's comments stand on lines of their own; those above its first entry are about all of it.
    if (old.commentBefore) addAbove(pair, old.commentBefore);
  } else if (old.comment && !(isCollection(value) && !value.flow)) value.comment ??= old.comment;
  else if (old.comment) addAbove(pair, old.comment);
}

/** Adds comment lines above a pair, below those that are there. */
export function addAbove(pair: Pair, comment: string): void {
  if (!isNode(pair.key)) return;
  pair.key.commentBefore = pair.key.commentBefore ? `${pair.key.commentBefore}\n${comment}` : comment;
}

export function setScalar(node: ScalarNode, value: Scalar): boolean {
  if (Object.is(node.value, value)) return false;
  node.value = value;
  delete node.format;
  delete node.minFractionDigits;
  return true;
}

export function insert(
  document: Document,
  map: YAMLMap,
  key: string,
  value: unknown,
  order: readonly string[] = [],
): void {
  const pair = document.createPair(key, value);
  const rank = order.indexOf(key);
  let index = rank < 0 ? map.items.length : 0;
  map.items.forEach((item, i) => {
    const itsRank = order.indexOf(isScalar(item.key) ? String(item.key.value) : '');
    if (rank >= 0 && itsRank >= 0 && itsRank < rank) index = i + 1;
  });
  map.items.splice(index, 0, pair);
}

/** Removes a key; the comment lines above it stay, above what follows. False where there is no such key. */
export function dropKey(map: YAMLMap, key: string): boolean {
  const index = map.items.findIndex((pair) => isScalar(pair.key) && String(pair.key.value) === key);
  const pair = map.items[index];
  if (pair === undefined) return false;
  map.items.splice(index, 1);
  const said = isNode(pair.key) ? pair.key.commentBefore : null;
  if (said) {
    const next = map.items[index]?.key;
    if (isNode(next)) next.commentBefore = next.commentBefore ? `${said}\n${next.commentBefore}` : said;
    else map.comment = map.comment ? `${said}\n${map.comment}` : said;
  }
  return true;
}

export function modelEntries(top: YAMLMap): { readonly name: string; readonly entry: YAMLMap }[] {
  const models = pairOf(top, 'models')?.value;
  if (!isSeq(models)) return [];
  return models.items.flatMap((entry) => {
    if (!isMap(entry)) return [];
    const name = pairOf(entry as YAMLMap, 'model')?.value;
    return isScalar(name) ? [{ name: String(name.value), entry: entry as YAMLMap }] : [];
  });
}

/** Throws where the models of a recipe stand in slices or modules, in which only a person can place them. */
export function requirePlainModels(top: YAMLMap): void {
  const form = ['slices', 'modules'].find((key) => pairOf(top, key) !== undefined);
  if (form !== undefined)
    throw new RecipeFault(`This recipe is made of ${form}; change its models and their parameters in the text itself.`);
}

/** The map that a model's (or the top level's) `parameters` stand in. */
export function ownerOf(top: YAMLMap, model: string | null): YAMLMap {
  if (model === null) return top;
  requirePlainModels(top);
  const found = modelEntries(top).find(({ name }) => name === model);
  if (!found) throw new RecipeFault(`The recipe lists no model ${quoted(model)}; add it under 'models' first.`);
  return found.entry;
}

export function parametersOf(owner: YAMLMap): YAMLMap | null {
  const value = pairOf(owner, 'parameters')?.value;
  return isMap(value) ? (value as YAMLMap) : null;
}

/** Removes a parameter, and its map where that was the last one. */
export function removeParameter(owner: YAMLMap, name: string): boolean {
  const map = parametersOf(owner);
  if (!map?.delete(name)) return false;
  if (map.items.length === 0) owner.delete('parameters');
  return true;
}

export function putParameter(
  document: Document,
  owner: YAMLMap,
  name: string,
  value: unknown,
  order: readonly string[],
): void {
  let map = parametersOf(owner);
  if (map === null) {
    map = new YAMLMap();
    owner.delete('parameters');
    insert(document, owner, 'parameters', map, order);
  }
  const pair = pairOf(map, name);
  if (pair) replaceValue(pair, value);
  else map.items.push(document.createPair(name, value));
}

/** The entries of a filtered list, or null where the value is not one. */
export function entriesOf(value: unknown): YAMLSeq<YAMLMap> | null {
  return isSeq(value) && value.items.length > 0 && value.items.every((item) => isMap(item))
    ? (value as YAMLSeq<YAMLMap>)
    : null;
}

/** An entry's filter; null for a catch-all. */
export function filterOf(entry: YAMLMap): string | null {
  const filter = pairOf(entry, 'filter')?.value;
  const text = isScalar(filter) ? filter.value : null;
  return text === null || text === undefined || text === '*' || text === '' ? null : String(text);
}
