/**
 * Station: a batch on a tour through the tensors in question, and how to get at it; and the tour itself. Not where the
 * bytes come from and how long they stay: that is `run.ts`.
 */

import type { LoadedBatch, PieceWork } from './arithmetic.ts';
import type { Piece } from './layout.ts';
import type { NumbersSoFar } from './weights.ts';

/** A batch whose pieces belong to the tensors in question, and how to get at it. */
export interface Station {
  /** The batch's pieces: of which tensor each is (by its index in the lineup), and which of its elements. */
  readonly pieces: readonly Piece[];
  /** Runs `use` while the batch is at the place. */
  readonly with: <T>(use: (batch: LoadedBatch) => Promise<T>) => Promise<T>;
}

/** Visits stations with several under way at once; results come in the order of the stations. */
export type Visit = <T>(
  stations: readonly Station[],
  task: (station: Station) => Promise<T>,
) => AsyncIterable<{ readonly station: Station; readonly value: T }>;

/** A part of a station: the piece at `index` of its batch. */
export interface Stop {
  readonly index: number;
  readonly tensor: number;
}

/** What came of a visit: the batch, the stops at it, and the task's result. */
export interface Visited<T> {
  readonly batch: LoadedBatch;
  readonly stops: readonly Stop[];
  readonly result: T;
}

/** Stops of a station at which one of `due` is. */
export function stopsOf(station: Station, due: ReadonlySet<number>): Stop[] {
  return station.pieces.flatMap(({ tensor }, index) => (due.has(tensor) ? [{ index, tensor }] : []));
}

/** Visits the stations at which one of `due` is. */
export function visitDue<T>(
  visit: Visit,
  stations: readonly Station[],
  due: ReadonlySet<number>,
  task: (batch: LoadedBatch, stops: readonly Stop[]) => Promise<T>,
): AsyncIterable<{ readonly station: Station; readonly value: Visited<T> }> {
  const wanted = stations.filter((station) => station.pieces.some(({ tensor }) => due.has(tensor)));
  return visit(wanted, (station) => {
    const stops = stopsOf(station, due);
    return station.with(async (batch) => ({ batch, stops, result: await task(batch, stops) }));
  });
}

/** Work on stops with the numbers that are known so far. */
export function workAt(stops: readonly Stop[], soFar: ReadonlyMap<number, NumbersSoFar>): PieceWork[] {
  return stops.map(({ index, tensor }) => {
    const numbers = soFar.get(tensor)?.numbers();
    if (!numbers) throw new Error(`no numbers for tensor ${tensor}`);
    return { piece: index, numbers };
  });
}
