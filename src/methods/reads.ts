/**
 * Reads: what a function of a method's kernel depends on beside the weights: parameters, earlier passes, chance. Read
 * from the WGSL text itself, so that no declaration can be wrong about it. A pass is run again only where one of these
 * changed.
 */

import { shaderText } from './index.ts';
import type { Method } from './method.ts';

/** What a kernel function depends on, called functions included. */
export interface Reads {
  readonly params: readonly string[];
  readonly perModel: readonly string[];
  /** Earlier passes whose thresholds or findings it asks for. */
  readonly passes: readonly string[];
  readonly isRandom: boolean;
}

/** Function bodies by name. */
function functionsOf(text: string): Map<string, string> {
  const plain = text.replace(/\/\/[^\n]*/g, '').replace(/\/\*[\s\S]*?\*\//g, '');
  const found = new Map<string, string>();
  for (const match of plain.matchAll(/\bfn\s+(\w+)\s*\(/g)) {
    const open = plain.indexOf('{', match.index);
    let depth = 0;
    let end = open;
    for (; end < plain.length; end++) {
      if (plain[end] === '{') depth++;
      else if (plain[end] === '}' && --depth === 0) break;
    }
    if (match[1] !== undefined && open >= 0) found.set(match[1], plain.slice(open, end + 1));
  }
  return found;
}

const known = new WeakMap<Method, Map<string, Reads>>();

/** What function `entry` of a method's shader depends on. */
export function readsOf(method: Method, entry: string): Reads {
  const perMethod = known.get(method) ?? new Map<string, Reads>();
  known.set(method, perMethod);
  const before = perMethod.get(entry);
  if (before) return before;

  const text = [...(method.parts ?? []), method.name].map(shaderText).join('\n');
  const functions = functionsOf(text);
  const visited = new Set<string>();
  const called = new Set<string>();
  const visit = (name: string) => {
    if (visited.has(name)) return;
    visited.add(name);
    for (const [, callee = ''] of (functions.get(name) ?? '').matchAll(/\b(\w+)\s*\(/g)) {
      called.add(callee);
      if (functions.has(callee)) visit(callee);
    }
  };
  visit(entry);
  const reads: Reads = {
    params: Object.keys(method.params).filter((name) => called.has(`param_${name}`)),
    perModel: Object.keys(method.perModel).filter((name) => called.has(`${name}_of`)),
    passes: (method.passes ?? [])
      .map(({ name }) => name)
      .filter((name) => called.has(`found_${name}`) || called.has(`is_top_${name}`)),
    isRandom: called.has('random'),
  };
  perMethod.set(entry, reads);
  return reads;
}
