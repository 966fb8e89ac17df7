import { describe, expect, it } from 'vitest';
import type { MapCell } from './engine-api.ts';
import { cellTable, columnsShown, movedPlace } from './map-navigation.ts';

function cell(row: number, column: number): MapCell {
  return {
    row,
    column,
    filters: [`${row}.${column}`],
    tensors: 1,
    elements: 1,
    weights: [0, 1],
    ranges: [],
    rmsChange: null,
    changedShare: null,
    isSet: [],
    setBy: [],
  };
}

/** embed | two layers of two modules, the second layer without the first module | norm; column 2 is outside. */
const TABLE = cellTable([cell(0, 2), cell(1, 0), cell(1, 1), cell(2, 1), cell(3, 2)], 4, 3);
const SHOWN = columnsShown(TABLE, 3);
const at = (row: number, column: number, model = 0) => ({ row, column, model });
const move = (key: string, from: ReturnType<typeof at>) => movedPlace(key, from, TABLE, SHOWN, 2);

describe('columnsShown', () => {
  it('gives no place to a column whose rows have nothing else', () => {
    expect(SHOWN).toEqual([0, 1]);
  });
  it('gives all columns a place where every row has one cell', () => {
    expect(columnsShown(cellTable([cell(0, 0), cell(1, 1)], 2, 2), 2)).toEqual([0, 1]);
    expect(columnsShown(cellTable([cell(0, 0), cell(1, 0)], 2, 1), 1)).toEqual([0]);
  });
});

describe('movedPlace', () => {
  it('goes through the models of a cell, the cells of a row, and stops at both ends', () => {
    expect(move('ArrowRight', at(1, -1))).toEqual(at(1, 0, 0));
    expect(move('ArrowRight', at(1, 0, 0))).toEqual(at(1, 0, 1));
    expect(move('ArrowRight', at(1, 0, 1))).toEqual(at(1, 1, 0));
    expect(move('ArrowRight', at(1, 1, 1))).toEqual(at(1, 1, 1));
    expect(move('ArrowLeft', at(1, 0, 0))).toEqual(at(1, -1));
    expect(move('ArrowLeft', at(1, -1))).toEqual(at(1, -1));
    expect(move('Home', at(1, 1, 1))).toEqual(at(1, -1));
    expect(move('End', at(1, -1))).toEqual(at(1, 1, 1));
  });
  it('goes up and down as it looks on the screen, also to tensors outside the layers', () => {
    expect(move('ArrowUp', at(1, 0, 1))).toEqual(at(0, 2, 1));
    expect(move('ArrowDown', at(0, 2, 1))).toEqual(at(1, 0, 1));
    expect(move('ArrowUp', at(0, 2, 1))).toEqual(at(0, 2, 1));
    expect(move('ArrowDown', at(3, -1))).toEqual(at(3, -1));
    expect(move('PageDown', at(0, 2, 0))).toEqual(at(3, 2, 0));
    expect(move('PageUp', at(3, -1))).toEqual(at(0, -1));
  });
  it('goes to the nearest place on the left where there is no cell', () => {
    expect(move('ArrowDown', at(1, 0, 1))).toEqual(at(2, -1));
    expect(move('ArrowUp', at(1, 1, 1))).toEqual(at(0, 2, 1));
  });
  it('does not move for other keys', () => {
    expect(move('Enter', at(1, 0))).toBeNull();
  });
});
