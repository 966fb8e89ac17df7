import { describe, expect, it } from 'vitest';
import { createChat, currentConversation } from './chat-store.ts';
import { checkpoint, engineDouble } from './engine-double.ts';
import { createHistory } from './history.ts';
import { createStudio } from './studio.ts';
import { createTakes } from './takes-store.ts';

const text = (weight: number) =>
  `merge_method: linear\nmodels:\n  - model: one\n    parameters:\n      weight: ${weight}\n  - model: two\n`;

function bench() {
  const clock = { ms: 0 };
  const studio = createStudio(
    engineDouble().engine,
    createHistory(() => clock.ms),
  );
  studio.store.setState({ checkpoints: [checkpoint('one'), checkpoint('two')] });
  const chat = createChat(studio);
  const takes = createTakes(studio, chat, () => clock.ms);
  studio.history.reset(text(1));
  /** Long enough for another edit to be another gesture. */
  const later = () => {
    clock.ms += 5000;
  };
  const put = (weight: number) => {
    later();
    studio.history.edit(text(weight));
  };
  const toggle = () => {
    later();
    takes.toggle();
  };
  const now = () => studio.history.text();
  const undoAll = () => {
    let steps = 0;
    for (; studio.history.canUndo(); steps++) studio.history.undo();
    return steps;
  };
  return { studio, chat, takes, put, toggle, now, later, undoAll, history: studio.history };
}

describe('takes', () => {
  it('are chosen by an edit that undo takes back', () => {
    const { takes, put, now, history } = bench();
    takes.keep();
    put(2);
    takes.choose(1);
    expect(now()).toBe(text(1));
    history.undo();
    expect(now()).toBe(text(2));
  });

  it('are not kept twice', () => {
    const { takes } = bench();
    takes.keep();
    takes.keep();
    expect(takes.store.getState().takes).toHaveLength(1);
    expect(takes.keepObstacle()).toBe('Take 1 is this recipe already.');
  });
});

describe('switching A and B', () => {
  it('is one step of undo however often, and none where it ends where it began', () => {
    const { takes, put, toggle, now, history, undoAll } = bench();
    takes.keep();
    put(2);
    takes.keep();
    put(3);
    takes.setSide('b', { kind: 'take', id: 2 });
    for (let i = 0; i < 51; i++) toggle();
    expect(now()).toBe(text(1));
    history.undo();
    expect(now()).toBe(text(3));
    expect(undoAll()).toBe(2);
    expect(now()).toBe(text(1));
  });

  it('leaves no step where it ends where it began', () => {
    const { takes, put, toggle, now, undoAll } = bench();
    takes.keep();
    put(2);
    for (let i = 0; i < 50; i++) toggle();
    expect(now()).toBe(text(2));
    expect(undoAll()).toBe(1);
  });

  it('begins anew after another edit', () => {
    const { takes, put, toggle, now, history, undoAll } = bench();
    takes.keep();
    put(2);
    toggle();
    put(5);
    toggle();
    expect(now()).toBe(text(1));
    history.undo();
    expect(now()).toBe(text(5));
    expect(undoAll()).toBe(3);
  });

  it('is not disturbed by an undo in between', () => {
    const { takes, put, toggle, now, history } = bench();
    takes.keep();
    put(2);
    toggle();
    history.undo();
    expect(now()).toBe(text(2));
    toggle();
    expect(now()).toBe(text(1));
    toggle();
    expect(now()).toBe(text(2));
    history.undo();
    expect(now()).toBe(text(1));
    expect(history.canUndo()).toBe(false);
  });
});

describe('comparing in the chat', () => {
  it('makes A and B the two columns, whatever was there', () => {
    const { takes, put, chat } = bench();
    takes.keep();
    put(2);
    chat.addColumn({ kind: 'checkpoint', name: 'two' });
    chat.addColumn({ kind: 'checkpoint', name: 'one' });
    takes.compareInChat();
    const { columns } = currentConversation(chat.store.getState());
    expect(columns.map(({ speaker }) => speaker)).toEqual([
      { kind: 'recipe', label: 'Take 1', text: text(1) },
      { kind: 'recipe', label: expect.stringMatching(/^Recipe at \d\d:\d\d$/), text: text(2) },
    ]);
  });

  it('refuses where both are the same', () => {
    const { takes, chat } = bench();
    takes.keep();
    expect(takes.compareObstacle()).toBe('Take 1 and Now are the same recipe.');
    takes.compareInChat();
    expect(currentConversation(chat.store.getState()).columns).toHaveLength(1);
  });
});
