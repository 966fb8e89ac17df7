/**
 * ConfigValues: single values of a config.json, read as what they have to be and bounded, for a file that may say
 * anything. A value that is null counts as absent. Not what the values mean: that is `families.ts` and `rope.ts`.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';

/** A key, or the names under which it may stand, the first one first. */
type Key = string | readonly string[];

/** Ceilings: far above any real model, far below what would exhaust memory. */
export const MAX_LAYERS = 1024;
export const MAX_HEADS = 4096;
export const MAX_HEAD_SIZE = 1024;
export const MAX_SIZE = 2 ** 24;

/** The value under the first of the names that is there, or undefined. */
export function valueOf(config: ModelConfig, key: Key): unknown {
  for (const name of typeof key === 'string' ? [key] : key) {
    const value = config[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/**
 * A whole number from 1 to `max`.
 * @throws UnsupportedFault naming the key, as do the others here.
 */
export function integerOf(config: ModelConfig, key: Key, max: number, fallback?: number): number {
  const value = valueOf(config, key) ?? fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= max) return value;
  const name = typeof key === 'string' ? key : key[0];
  throw new UnsupportedFault(
    value === undefined
      ? `config.json does not say its ${name}`
      : `${name} in config.json is ${shown(value)} instead of a whole number from 1 to ${max}`,
  );
}

/** A finite number above 0, at most 1e12. */
export function positiveOf(config: ModelConfig, key: Key, fallback?: number): number {
  const value = valueOf(config, key) ?? fallback;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0 && value <= 1e12) return value;
  const name = typeof key === 'string' ? key : key[0];
  throw new UnsupportedFault(
    `${name} in config.json is ${value === undefined ? 'missing' : shown(value)}, not a positive number`,
  );
}

/** As `positiveOf`, or null where the key is absent (or explicitly null, which then overrules the fallback). */
export function optionalPositiveOf(config: ModelConfig, key: string, fallback: number | null): number | null {
  if (config[key] === null || (config[key] === undefined && fallback === null)) return null;
  return positiveOf(config, key, fallback ?? undefined);
}

/** True or false. */
export function booleanOf(config: ModelConfig, key: Key, fallback: boolean): boolean {
  const value = valueOf(config, key) ?? fallback;
  if (typeof value === 'boolean') return value;
  const name = typeof key === 'string' ? key : key[0];
  throw new UnsupportedFault(`${name} in config.json is ${shown(value)}, neither true nor false`);
}

/** A number from 0 to below 1, as norms add to a variance. */
export function epsilonOf(config: ModelConfig, key: Key, fallback: number): number {
  const value = valueOf(config, key) ?? fallback;
  if (typeof value === 'number' && value >= 0 && value < 1) return value;
  const name = typeof key === 'string' ? key : key[0];
  throw new UnsupportedFault(`${name} in config.json is ${shown(value)}, not a small number`);
}

/** An object inside a config.json, or null where there is none. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/** A value as a message shows it, whatever it is: short, and text in quotes. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}
