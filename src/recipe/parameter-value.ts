/**
 * Parameter value: reading one parameter in any of mergekit's three forms, judged by its declaration. Which
 * parameters there are is `schema.ts`; their value at one tensor is `resolve.ts`.
 */

import * as z from 'zod';
import type { Parameter } from '../methods/method.ts';
import { type DocumentPath, quoted } from './document.ts';
import { nearest } from './nearest.ts';
import type { FilteredValue, Gradient, ParameterValue, Scalar } from './recipe.ts';

// Compiled schemas need `new Function`, which a content security policy rightly refuses. Here, since every module that
// builds a schema imports this one, and what is built before this line is compiled.
z.config({ jitless: true });

const ENTRY_KEYS = ['filter', 'value'] as const;

/** `a, b and c`. */
export function listed(words: Iterable<string>, last = 'and'): string {
  const all = [...words];
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} ${last} ${all.at(-1)}`;
}

/** Reports what is wrong at a path below the piece; `key` where the last key of the path is what is wrong. */
export type Complain = (
  message: string,
  path?: DocumentPath,
  suggestion?: string | null,
  part?: 'key' | 'value',
) => undefined;

/** A schema piece whose reading is a function; it returns undefined where it has complained. */
export function piece<T>(read: (raw: unknown, complain: Complain) => T | undefined) {
  return z
    .unknown()
    .optional()
    .transform((raw, context): T => {
      const value = read(raw, (message, path = [], suggestion = null, part = 'value') => {
        context.issues.push({ code: 'custom', message, input: raw, path: [...path], params: { suggestion, part } });
        return undefined;
      });
      return value === undefined ? z.NEVER : value;
    });
}

/** True for a map of plain data. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readScalar(
  name: string,
  p: Parameter,
  raw: unknown,
  complain: Complain,
  path: DocumentPath,
): Scalar | undefined {
  if (raw === null || raw === undefined) {
    return complain(`'${name}' has no value; give it one, or remove the line.`, path);
  }
  if (typeof raw === 'bigint' || (typeof raw === 'number' && !Number.isFinite(raw))) {
    return complain(`'${name}' must be a finite number; ${String(raw)} cannot be calculated with.`, path);
  }
  if (typeof raw !== 'number' && typeof raw !== 'boolean' && typeof raw !== 'string') {
    return complain(`'${name}' must be one value here, and this is a list or a map.`, path);
  }
  switch (p.kind) {
    case 'ignored':
      return raw;
    case 'choice': {
      const options = listed(p.options, 'or');
      if (typeof raw === 'string' && p.options.includes(raw)) return raw;
      const suggestion = nearest(String(raw), p.options);
      return complain(`'${name}' must be ${options}, and this says ${quoted(raw)}.`, path, suggestion);
    }
    case 'boolean': {
      if (typeof raw === 'boolean' || raw === 0 || raw === 1) return raw;
      const word = String(raw).toLowerCase();
      const suggestion = ['yes', 'on', 'true', 'y'].includes(word)
        ? 'true'
        : ['no', 'off', 'false', 'n'].includes(word)
          ? 'false'
          : null;
      return complain(`'${name}' must be true or false, and this says ${quoted(raw)}.`, path, suggestion);
    }
    case 'number': {
      if (typeof raw === 'string') {
        const isNumber = raw.trim() !== '' && Number.isFinite(Number(raw));
        return complain(
          isNumber
            ? `'${name}' must be a number, and quotes make ${quoted(raw)} a text; remove the quotes.`
            : `'${name}' must be a number, and ${quoted(raw)} is none.`,
          path,
          isNumber ? raw.trim() : null,
        );
      }
      if (p.least !== null && Number(raw) < p.least) {
        return complain(`'${name}' must be ${p.least} or more, and this says ${raw}.`, path, String(p.least));
      }
      if (p.strict && (Number(raw) < p.min || Number(raw) > p.max)) {
        const bound = Number(raw) < p.min ? p.min : p.max;
        return complain(`'${name}' must be from ${p.min} to ${p.max}, and this says ${raw}.`, path, String(bound));
      }
      return raw;
    }
    default:
      return p satisfies never;
  }
}

function readGradient(
  name: string,
  p: Parameter,
  raw: unknown,
  complain: Complain,
  path: DocumentPath,
): Gradient | undefined {
  if (!Array.isArray(raw)) return readScalar(name, p, raw, complain, path);
  if (raw.length === 0) {
    return complain(`'${name}' is an empty list; give it at least one value, or remove the line.`, path);
  }
  const values = raw.map((item: unknown, i) => readScalar(name, p, item, complain, [...path, i]));
  return values.every((value) => value !== undefined) ? values : undefined;
}

function readEntry(
  name: string,
  p: Parameter,
  raw: unknown,
  complain: Complain,
  path: DocumentPath,
): FilteredValue | undefined {
  if (!isRecord(raw)) {
    return complain(
      `'${name}' mixes plain values with filters; write this one as '- value: …' at the end of the list.`,
      path,
    );
  }
  let isSound = true;
  for (const key of Object.keys(raw)) {
    if ((ENTRY_KEYS as readonly string[]).includes(key)) continue;
    isSound = false;
    complain(
      `An entry of '${name}' has a 'filter' and a 'value', and ${quoted(key)} is neither.`,
      [...path, key],
      nearest(key, ENTRY_KEYS),
      'key',
    );
  }
  const filter = raw.filter ?? null;
  if (filter !== null && typeof filter !== 'string') {
    isSound = false;
    complain(
      `The filter must be text, a part of the tensors’ names${typeof filter === 'number' ? '; put quotes around it' : ''}.`,
      [...path, 'filter'],
      typeof filter === 'number' ? `"${filter}"` : null,
    );
  }
  if (!Object.hasOwn(raw, 'value'))
    return isSound ? complain(`This entry of '${name}' has no 'value'.`, path) : undefined;
  const value = readGradient(name, p, raw.value, complain, [...path, 'value']);
  return isSound && value !== undefined ? { filter: typeof filter === 'string' ? filter : null, value } : undefined;
}

/** One parameter's value in any of mergekit's three forms: scalar, per-layer list, list of `{filter, value}`. */
export function parameterValue(name: string, p: Parameter): z.ZodType<ParameterValue> {
  return piece<ParameterValue>((raw, complain) => {
    if (isRecord(raw)) {
      const isEntry = Object.hasOwn(raw, 'value') || Object.hasOwn(raw, 'filter');
      return complain(
        isEntry
          ? `The filters of '${name}' must be a list; put '- ' in front of the first key.`
          : `'${name}' must be one value, a list over the layers, or a list of filters with values.`,
      );
    }
    if (Array.isArray(raw) && raw.some(isRecord)) {
      const entries = raw.map((item: unknown, i) => readEntry(name, p, item, complain, [i]));
      return entries.every((entry) => entry !== undefined) ? { form: 'filtered', entries } : undefined;
    }
    const value = readGradient(name, p, raw, complain, []);
    return value === undefined ? undefined : { form: 'everywhere', value };
  });
}
