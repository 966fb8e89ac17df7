import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  NO_TAKES,
  NOW,
  proposedName,
  renamed,
  sideKey,
  sideOf,
  sideOn,
  switched,
  switchObstacle,
  takeOf,
  type TakesState,
  withDeleted,
  withoutTake,
  withSide,
  withTake,
} from './takes.ts';

const three = ['a', 'b', 'c'].reduce((state, text, index) => withTake(state, text, index), NO_TAKES);
const names = ({ takes }: TakesState) => takes.map(({ name }) => name);

describe('the list of takes', () => {
  it('numbers takes after the largest number, and leaves names of one’s own alone', () => {
    expect(names(three)).toEqual(['Take 1', 'Take 2', 'Take 3']);
    const named = renamed(three, 3, '  The   loud one ');
    expect(names(named)).toEqual(['Take 1', 'Take 2', 'The loud one']);
    expect(proposedName(named.takes)).toBe('Take 3');
    expect(renamed(named, 1, 'The loud one')).toBe(named);
    expect(renamed(named, 1, '   ')).toBe(named);
  });

  it('knows which take a text is, and prefers the loaded one', () => {
    const twice: TakesState = { ...three, takes: three.takes.map((take) => ({ ...take, text: 'same' })), loaded: 2 };
    expect(takeOf(twice, 'same')?.id).toBe(2);
    expect(takeOf(three, 'b')?.name).toBe('Take 2');
    expect(takeOf(three, 'x')).toBeNull();
  });

  it('brings a deleted take back to its place', () => {
    const without = withoutTake(three, 2);
    expect(names(without)).toEqual(['Take 1', 'Take 3']);
    expect(names(withDeleted(without))).toEqual(['Take 1', 'Take 2', 'Take 3']);
    expect(withDeleted(withDeleted(without)).takes).toHaveLength(3);
  });

  it('never gives two takes one id or one name', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('keep' as const), text: fc.string({ maxLength: 3 }) }),
      fc.record({ kind: fc.constant('delete' as const), at: fc.nat(5) }),
      fc.record({ kind: fc.constant('back' as const) }),
      fc.record({ kind: fc.constant('name' as const), at: fc.nat(5), name: fc.constantFrom('Take 1', 'Take 7', 'x') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const end = steps.reduce((state, own) => {
          if (own.kind === 'keep') return withTake(state, own.text, 0);
          if (own.kind === 'back') return withDeleted(state);
          const id = state.takes[own.at]?.id ?? -1;
          return own.kind === 'delete' ? withoutTake(state, id) : renamed(state, id, own.name);
        }, NO_TAKES);
        expect(new Set(names(end)).size).toBe(end.takes.length);
        expect(new Set(end.takes.map(({ id }) => id)).size).toBe(end.takes.length);
      }),
    );
  });
});

describe('the sides A and B', () => {
  it('are the first take and now, once there is one', () => {
    expect([three.a, three.b]).toEqual([{ kind: 'take', id: 1 }, NOW]);
    expect(sideOf(sideKey(three.a))).toEqual(three.a);
    expect(sideOf(sideKey(NOW))).toEqual(NOW);
  });

  it('change places rather than be the same', () => {
    const both = withSide(three, 'b', { kind: 'take', id: 2 });
    expect(withSide(both, 'b', { kind: 'take', id: 1 })).toMatchObject({
      a: { kind: 'take', id: 2 },
      b: { kind: 'take', id: 1 },
    });
  });

  it('switch from now to the take and back to what now was', () => {
    const there = switched(three, 'mine');
    expect(there).toMatchObject({ to: 'a', text: 'a' });
    const back = switched(there?.state ?? three, 'a');
    expect(back).toMatchObject({ to: 'b', text: 'mine' });
    // What is changed on the way is what now is from then on.
    expect(switched(switched(back?.state ?? three, 'other')?.state ?? three, 'a')?.text).toBe('other');
  });

  it('switch between two takes, from A where the recipe is neither', () => {
    const both = withSide(three, 'b', { kind: 'take', id: 3 });
    expect(sideOn(both, 'a')).toBe('a');
    expect(sideOn(both, 'c')).toBe('b');
    expect(sideOn(both, 'x')).toBeNull();
    expect(switched(both, 'a')?.text).toBe('c');
    expect(switched(both, 'c')?.text).toBe('a');
    expect(switched(both, 'x')?.text).toBe('a');
  });

  it('say why there is nothing to switch', () => {
    expect(switchObstacle(NO_TAKES, 'x')).toMatch(/^Keep a take first/);
    expect(switchObstacle(three, 'a')).toBe('Take 1 and Now are the same recipe.');
    expect(switchObstacle(three, 'x')).toBeNull();
  });

  it('are now where their take is deleted', () => {
    expect(withoutTake(three, 1).a).toEqual(NOW);
  });
});
