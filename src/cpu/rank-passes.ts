/**
 * RankPasses: the steps of ranking rows by |δ| as WebAssembly functions over one memory: keys to digits, counts,
 * and the passes of a radix sort. Each runs over a span of elements; which of them run, over which digits, is
 * `ranks.ts`; the keys are `rank-keys.ts`'s.
 *
 * A group's elements have one *word* each: the last pass's digit in the upper half, the digit of the pass before it in
 * the lower one, both as byte offsets of a bin. Where there are three passes, the first one's digit lies in `lows`. A
 * pass leaves words in its order, their lower half replaced by the element: the last pass needs nothing else.
 */

import {
  get,
  I32,
  i32,
  load,
  NO_RESULT,
  OPCODE,
  S,
  scalar,
  set,
  store,
  tee,
  unsigned,
  V,
  V128,
  type Code,
} from './instructions.ts';
import { RANK_REGIONS as REGIONS } from './rank-regions.ts';
import { FunctionBuilder, functionOf, moduleOf } from './wasm.ts';

/** A loop that runs at least once: `body`, then `at` moves on by `step` and ends at `end`. */
export function loopOver(builder: FunctionBuilder, at: number, end: number, step: number, body: readonly Code[]): void {
  builder.emit([OPCODE.loop, NO_RESULT], ...body);
  builder.emit(get(at), i32(step), S.add, tee(at), get(end), S.lt_u, [OPCODE.br_if, ...unsigned(0)], [OPCODE.end]);
}

/**
 * `run(from, to, least, shift, row, width, width0)`: byte offsets [from, to) of one row's keys to words (and lows):
 * the key less `least`, without its lower `shift` bits, or zero, with the bits `row` above it. `width` bits of it are
 * the digit in a word's lower half; of three digits the first has `width0`.
 */
function digitsModule(isOfThree: boolean): WebAssembly.Module {
  const [from, to, least, shift, row, width, width0] = [0, 1, 2, 3, 4, 5, 6] as const;
  const builder = new FunctionBuilder(7);
  const value = builder.local(V128);
  const splat = (local: number) => builder.hoisted(`splat ${local}`, [...get(local), ...V.i32x4_splat]);
  const mask = (local: number) =>
    builder.hoisted(`mask ${local}`, [...i32(1), ...get(local), ...S.shl, ...i32(1), ...S.sub, ...V.i32x4_splat]);
  const body = builder.capture(() => {
    builder.emit(get(from), load.v128(REGIONS.keys), splat(least), V.i32x4_max_s, splat(least), V.i32x4_sub);
    builder.emit(get(shift), V.i32x4_shr_u, splat(row), V.or, set(value));
    if (isOfThree) {
      builder.emit(get(from), get(value), mask(width0), V.and, i32(2), V.i32x4_shl, store.v128(REGIONS.lows));
      builder.emit(get(value), get(width0), V.i32x4_shr_u, set(value));
    }
    builder.emit(get(from), get(value), mask(width), V.and, i32(2), V.i32x4_shl);
    builder.emit(get(value), get(width), V.i32x4_shr_u, i32(18), V.i32x4_shl, V.or, store.v128(REGIONS.words));
  }, 1);
  loopOver(builder, from, to, 16, [body]);
  return moduleOf(builder);
}

/**
 * One step for [from, mid) and [mid, to) in turns: the two go through bins of their own, since an element that follows
 * upon one of the same bin waits for it, and in differences of two BF16 most low digits are zero.
 */
function loopOverHalves(
  builder: FunctionBuilder,
  [from, mid, to]: readonly [number, number, number],
  step: (at: number, half: 0 | 1) => readonly Code[],
): void {
  const second = builder.local(I32);
  const next: Code = [get(second), i32(4), S.add, set(second)].flat();
  builder.emit(get(mid), set(second), get(from), get(mid), S.lt_u, [OPCODE.if, NO_RESULT]);
  loopOver(builder, from, mid, 4, [...step(from, 0), ...step(second, 1), next]);
  // Of an odd number the second half has one more.
  builder.emit([OPCODE.end], get(second), get(to), S.lt_u, [OPCODE.if, NO_RESULT], ...step(second, 1), [OPCODE.end]);
}

/** Bins of the first of two digits, by half. */
const HALVES = [REGIONS.middle, REGIONS.first] as const;

/** `run(from, mid, to)`: counts both digits of words, the first by half. */
function countHalvesModule(): WebAssembly.Module {
  const builder = new FunctionBuilder(3);
  const [first, last] = [builder.local(I32), builder.local(I32)];
  loopOverHalves(builder, [0, 1, 2], (at, half) => [
    [...get(at), ...scalar.load16(REGIONS.words + 2), ...set(last)],
    counted(last, REGIONS.last),
    [...get(at), ...scalar.load16(REGIONS.words), ...set(first)],
    counted(first, HALVES[half]),
  ]);
  return moduleOf(builder);
}

/** `run(from, to)`: counts by half at offsets [from, to) of bins become places in `sorted`. */
function placesOfHalvesModule(): WebAssembly.Module {
  const [from, to] = [0, 1] as const;
  const builder = new FunctionBuilder(2);
  const [sum, here] = [builder.local(I32), builder.local(I32)];
  builder.emit(i32(0), set(sum));
  const place = (bins: number): Code[] => [
    [...get(from), ...scalar.load(bins), ...set(here), ...get(from), ...get(sum), ...scalar.store(bins)],
    [...get(here), ...i32(2), ...S.shl, ...get(sum), ...S.add, ...set(sum)],
  ];
  loopOver(builder, from, to, 4, HALVES.flatMap(place));
  return moduleOf(builder);
}

/** `run(from, mid, to)`: the first of two passes; what it passes on is as in `passModule`. */
function firstOfTwoModule(): WebAssembly.Module {
  const builder = new FunctionBuilder(3);
  const [word, digit, place] = [builder.local(I32), builder.local(I32), builder.local(I32)];
  loopOverHalves(builder, [0, 1, 2], (at, half) => [
    [...get(at), ...scalar.load(REGIONS.words), ...tee(word), ...i32(0xffff), ...S.and, ...set(digit)],
    taken(digit, place, HALVES[half], 4),
    // Words have four bytes.
    [...get(place), ...get(word), ...i32(-65536), ...S.and, ...get(at), ...i32(2), ...S.shr_u, ...S.or],
    scalar.store(REGIONS.sorted),
  ]);
  return moduleOf(builder);
}

/** Counts a digit: `digit` is the bin's offset, in a local. */
function counted(digit: number, bins: number): Code {
  return [get(digit), get(digit), scalar.load(bins), i32(1), S.add, scalar.store(bins)].flat();
}

/** `run(from, to)`: counts the digits of words at byte offsets [from, to): the last, and the middle one. */
function countModule(isLastAlone: boolean): WebAssembly.Module {
  const [from, to] = [0, 1] as const;
  const builder = new FunctionBuilder(2);
  const [middle, last] = [builder.local(I32), builder.local(I32)];
  const body: Code[] = [[...get(from), ...scalar.load16(REGIONS.words + 2), ...set(last)], counted(last, REGIONS.last)];
  if (!isLastAlone) {
    body.push([...get(from), ...scalar.load16(REGIONS.words), ...set(middle)], counted(middle, REGIONS.middle));
  }
  loopOver(builder, from, to, 4, body);
  return moduleOf(builder);
}

/** `run(from, to)`: counts the first of three digits. */
function countFirstModule(): WebAssembly.Module {
  const [from, to] = [0, 1] as const;
  const builder = new FunctionBuilder(2);
  const digit = builder.local(I32);
  loopOver(builder, from, to, 4, [
    [...get(from), ...scalar.load(REGIONS.lows), ...set(digit)],
    counted(digit, REGIONS.first),
  ]);
  return moduleOf(builder);
}

/**
 * `run(from, to, period, unit)`: counts in bins at [from, to) become the place of each bin's first element, times
 * `unit`; places begin anew every `period` bytes.
 */
function placesModule(): WebAssembly.Module {
  const [from, to, period, unit] = [0, 1, 2, 3] as const;
  const builder = new FunctionBuilder(4);
  const [stop, sum, here] = [builder.local(I32), builder.local(I32), builder.local(I32)];
  builder.emit([OPCODE.loop, NO_RESULT], get(from), get(period), S.add, set(stop), i32(0), set(sum));
  loopOver(builder, from, stop, 4, [
    [...get(from), ...scalar.load(0), ...set(here), ...get(from), ...get(sum), ...scalar.store(0)],
    [...get(here), ...get(unit), ...S.shl, ...get(sum), ...S.add, ...set(sum)],
  ]);
  builder.emit(get(from), get(to), S.lt_u, [OPCODE.br_if, ...unsigned(0)], [OPCODE.end]);
  return moduleOf(builder);
}

/** The place of the next element of a bin, in `place`; the bin moves on by `step`. */
function taken(digit: number, place: number, bins: number, step: number): Code {
  return [get(digit), get(digit), scalar.load(bins), tee(place), i32(step), S.add, scalar.store(bins)].flat();
}

/** What kind of pass: by what it reads. */
type PassKind = 'only' | 'first of three' | 'second of three' | 'last';

/** `run(from, to, element)`: a pass over byte offsets [from, to) of its input; `element` is the first's place, 0. */
function passModule(kind: PassKind): WebAssembly.Module {
  const [from, to, element] = [0, 1, 2] as const;
  const builder = new FunctionBuilder(3);
  const [word, digit, place] = [builder.local(I32), builder.local(I32), builder.local(I32)];
  const input = {
    only: REGIONS.words,
    'first of three': REGIONS.lows,
    'second of three': REGIONS.order,
    last: REGIONS.sorted,
  }[kind];
  const next: Code = [...get(element), ...i32(1), ...S.add, ...set(element)];
  const upper: Code = [...get(word), ...i32(16), ...S.shr_u, ...set(digit)];
  const lower: Code = [...get(word), ...i32(0xffff), ...S.and, ...set(digit)];
  /** The word goes on with its element in the lower half. */
  const passOn: Code = [
    get(place),
    get(word),
    i32(-65536),
    S.and,
    get(element),
    S.or,
    scalar.store(REGIONS.sorted),
  ].flat();
  const rank = (of: Code): Code => [...of, ...i32(1), ...S.shl, ...get(place), ...scalar.store16(REGIONS.ranks)];
  const read: Code = [...get(from), ...scalar.load(input), ...set(word)];
  const body = {
    only: () => [read, upper, taken(digit, place, REGIONS.last, 1), rank(get(element)), next],
    'first of three': () => [
      [...get(from), ...scalar.load(input), ...set(digit)],
      taken(digit, place, REGIONS.first, 4),
      [...get(place), ...get(element), ...scalar.store(REGIONS.order)],
      next,
    ],
    'second of three': () => [
      [
        ...get(from),
        ...scalar.load(input),
        ...tee(element),
        ...i32(2),
        ...S.shl,
        ...scalar.load(REGIONS.words),
        ...set(word),
      ],
      lower,
      taken(digit, place, REGIONS.middle, 4),
      passOn,
    ],
    last: () => [read, upper, taken(digit, place, REGIONS.last, 1), rank([...get(word), ...i32(0xffff), ...S.and])],
  }[kind]();
  loopOver(builder, from, to, 4, body);
  return moduleOf(builder);
}

/** The functions; `from`, `mid` and `to` are byte offsets. */
export interface RankPasses {
  readonly digits: (
    from: number,
    to: number,
    least: number,
    shift: number,
    row: number,
    width: number,
    width0: number,
  ) => void;
  readonly digitsOfThree: RankPasses['digits'];
  readonly count: (from: number, to: number) => void;
  readonly countLast: RankPasses['count'];
  readonly countFirst: RankPasses['count'];
  readonly places: (from: number, to: number, period: number, unitBits: number) => void;
  readonly only: (from: number, to: number, element: number) => void;
  readonly firstOfTwo: (from: number, mid: number, to: number) => void;
  readonly countHalves: RankPasses['firstOfTwo'];
  readonly placesOfHalves: (from: number, to: number) => void;
  readonly firstOfThree: RankPasses['only'];
  readonly secondOfThree: RankPasses['only'];
  readonly last: RankPasses['only'];
}

/** The functions over a memory. */
export function rankPasses(memory: WebAssembly.Memory): RankPasses {
  return {
    digits: functionOf(digitsModule(false), memory),
    digitsOfThree: functionOf(digitsModule(true), memory),
    count: functionOf(countModule(false), memory),
    countLast: functionOf(countModule(true), memory),
    countFirst: functionOf(countFirstModule(), memory),
    places: functionOf(placesModule(), memory),
    only: functionOf(passModule('only'), memory),
    firstOfTwo: functionOf(firstOfTwoModule(), memory),
    countHalves: functionOf(countHalvesModule(), memory),
    placesOfHalves: functionOf(placesOfHalvesModule(), memory),
    firstOfThree: functionOf(passModule('first of three'), memory),
    secondOfThree: functionOf(passModule('second of three'), memory),
    last: functionOf(passModule('last'), memory),
  };
}
