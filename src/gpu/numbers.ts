/**
 * Numbers: the words of `numbers` that one dispatch reads: parameters, streams, thresholds, coefficients and
 * findings of one piece, and where each of them lies. `compose.ts` bakes the places into accessors; lengths of lines
 * are data, so that one kernel serves tensors of any shape. Pure.
 */

import { type KernelNumbers, type Lines, linesOf, type PieceShape, settled } from '../methods/kernel.ts';
import { kernelParameters, type Method, type SelectPass } from '../methods/method.ts';

/** A piece of a batch, by its index there, and the numbers that its kernels read. */
export interface NumberedPiece {
  readonly piece: number;
  readonly numbers: KernelNumbers;
}

/** Words that say where lined numbers lie: offset, stride, axis. */
const HEADER_WORDS = 3;

/** The axis word of a header: how kernels find an element's line. */
const AXES = { tensor: 0, row: 1, column: 2 } as const;

/** Every element belongs to a slot with this threshold and cut. */
const EVERYTHING = [0, 0xffffffff] as const;

/** Where numbers lie, in words from the first of a dispatch. Depends only on the method and the number of models. */
export interface NumberPlaces {
  readonly params: ReadonlyMap<string, number>;
  /** First of `models` words. */
  readonly perModel: ReadonlyMap<string, number>;
  /** Two words per model. */
  readonly streams: number;
  /** By selection: per slot the threshold's bits and the cut. */
  readonly slots: ReadonlyMap<string, number>;
  /** Headers. */
  readonly coefficients: number;
  readonly found: ReadonlyMap<string, number>;
  /** Words before the values that headers point to; the first value is a zero. */
  readonly words: number;
}

function selections(method: Method): SelectPass[] {
  return (method.passes ?? []).filter((pass) => pass.kind === 'select');
}

/** Where a method's numbers lie. */
export function numberPlaces(method: Method, models: number): NumberPlaces {
  let at = 0;
  const take = (words: number) => {
    at += words;
    return at - words;
  };
  const params = new Map(kernelParameters(method.params).map((name) => [name, take(1)]));
  const perModel = new Map(kernelParameters(method.perModel).map((name) => [name, take(models)]));
  const streams = take(2 * models);
  const slots = new Map(selections(method).map((pass) => [pass.name, take(2 * pass.slots(models))]));
  const coefficients = take(HEADER_WORDS);
  const found = new Map((method.passes ?? []).map(({ name }) => [name, take(HEADER_WORDS)]));
  return { params, perModel, streams, slots, coefficients, found, words: at };
}

/**
 * The words of one piece's numbers: floats are rounded once to float32 and given by their bits.
 * @param extra words that a kernel reads beside them, such as queries; `extraAt` is where they begin.
 */
export function encodeNumbers(
  method: Method,
  piece: PieceShape,
  numbers: KernelNumbers,
  extra: readonly number[] = [],
): { readonly words: Uint32Array<ArrayBuffer>; readonly extraAt: number } {
  const models = piece.dtypes.length - (piece.hasBase ? 1 : 0);
  const places = numberPlaces(method, models);
  const lines = new Map<number, Lines>([[places.coefficients, linesOf(piece, numbers.coefficients)]]);
  for (const [pass, place] of places.found) {
    const found = numbers.found.get(pass);
    if (found) lines.set(place, linesOf(piece, found));
  }
  const extraAt = places.words + 1 + [...lines.values()].reduce((sum, { values }) => sum + values.length, 0);
  const words = new Uint32Array(extraAt + extra.length);
  const floats = new Float32Array(words.buffer);

  for (const [name, place] of places.params) floats[place] = settled(numbers.params[name]);
  for (const [name, place] of places.perModel) {
    for (let k = 0; k < models; k++) floats[place + k] = settled(numbers.perModel[k]?.[name]);
  }
  numbers.streams.slice(0, models).forEach((key, k) => words.set(key, places.streams + 2 * k));
  for (const pass of selections(method)) {
    const slots = numbers.slots.get(pass.name);
    const first = places.slots.get(pass.name) ?? 0;
    for (let slot = 0; slot < pass.slots(models); slot++) {
      const pair = slots ? [slots.bits[slot] ?? 0, slots.cuts[slot] ?? 0] : EVERYTHING;
      words.set(pair, first + 2 * slot);
    }
  }
  let at = places.words + 1;
  for (const place of [places.coefficients, ...places.found.values()]) {
    const own = lines.get(place);
    // What is absent reads the zero before the values, whatever is asked for.
    words.set(own ? [at, own.lines, own.lines === 1 ? AXES.tensor : AXES[own.over]] : [places.words, 0, 0], place);
    if (!own) continue;
    floats.set(own.values, at);
    at += own.values.length;
  }
  words.set(extra, extraAt);
  return { words, extraAt };
}
