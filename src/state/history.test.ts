import { describe, expect, it } from 'vitest';
import { createHistory } from './history.ts';

function withClock() {
  let ms = 0;
  const history = createHistory(() => ms);
  return { history, pass: (by: number) => (ms += by) };
}

describe('history', () => {
  it('undoes and redoes single edits', () => {
    const { history } = withClock();
    history.reset('a');
    expect(history.canUndo()).toBe(false);
    history.edit('b');
    history.edit('c');
    history.undo();
    expect(history.text()).toBe('b');
    history.undo();
    expect(history.text()).toBe('a');
    expect(history.canUndo()).toBe(false);
    history.redo();
    history.redo();
    expect(history.text()).toBe('c');
    expect(history.canRedo()).toBe(false);
  });

  it('makes one entry of a gesture and goes back to before it', () => {
    const { history, pass } = withClock();
    history.reset('0');
    for (const text of ['1', '2', '3', '4']) {
      history.edit(text, 'drag');
      pass(50);
    }
    history.undo();
    expect(history.text()).toBe('0');
    history.redo();
    expect(history.text()).toBe('4');
  });

  it('makes two entries of what a pause or another control separates', () => {
    const { history, pass } = withClock();
    history.reset('0');
    history.edit('1', 'x');
    pass(5000);
    history.edit('2', 'x');
    history.edit('3', 'y');
    history.undo();
    expect(history.text()).toBe('2');
    history.undo();
    expect(history.text()).toBe('1');
  });

  it('keeps a held drag in one entry however slowly it goes, and ends it when released', () => {
    const { history, pass } = withClock();
    history.reset('0');
    history.hold('drag');
    history.edit('1', 'drag');
    pass(60_000);
    history.edit('2', 'drag');
    history.release();
    history.edit('3', 'drag');
    history.undo();
    expect(history.text()).toBe('2');
    history.undo();
    expect(history.text()).toBe('0');
  });

  it('records what follows an undo within the same gesture', () => {
    const { history } = withClock();
    history.reset('0');
    history.edit('1', 'drag');
    history.undo();
    history.edit('2', 'drag');
    history.undo();
    expect(history.text()).toBe('0');
  });

  it('counts no edit that changes nothing', () => {
    const { history } = withClock();
    history.reset('a');
    history.edit('a');
    expect(history.canUndo()).toBe(false);
  });

  it('drops the future on a new edit, also within a gesture', () => {
    const { history } = withClock();
    history.reset('0');
    history.edit('1');
    history.undo();
    history.edit('2', 'drag');
    expect(history.canRedo()).toBe(false);
  });

  it('tells of the text and of what can be undone', () => {
    const { history } = withClock();
    const seen: [string, boolean][] = [];
    const stop = history.subscribe(() => seen.push([history.text(), history.canUndo()]));
    history.edit('b');
    expect(seen.at(-1)).toEqual(['b', true]);
    history.reset('c');
    expect(seen.at(-1)).toEqual(['c', false]);
    const count = seen.length;
    stop();
    history.edit('d');
    expect(seen.length).toBe(count);
  });
});
