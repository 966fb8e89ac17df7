import { describe, expect, it } from 'vitest';
import { type Field, isClosedByEscape, isSingleKey, takesKeys } from './shortcut-rule.ts';

function field(tagName: string, type: string | null = null, isContentEditable = false): Field {
  return { tagName, isContentEditable, getAttribute: (name) => (name === 'type' ? type : null) };
}

describe('where keys are text', () => {
  it('is in fields, in selects and in an editor', () => {
    for (const own of [
      field('TEXTAREA'),
      field('SELECT'),
      field('INPUT'),
      field('INPUT', 'text'),
      field('INPUT', 'number'),
      field('INPUT', 'search'),
      field('DIV', null, true),
    ]) {
      expect(takesKeys(own), `${own.tagName} ${own.getAttribute('type')}`).toBe(true);
    }
  });

  it('is not on buttons, sliders, switches and the map', () => {
    for (const own of [
      field('BUTTON'),
      field('INPUT', 'checkbox'),
      field('INPUT', 'radio'),
      field('INPUT', 'range'),
      field('DIV'),
    ]) {
      expect(takesKeys(own), `${own.tagName} ${own.getAttribute('type')}`).toBe(false);
    }
  });
});

describe('a key alone', () => {
  it('is one without Ctrl, Cmd or Alt', () => {
    for (const own of ['B', '[', 'shift+?', 'X']) expect(isSingleKey(own), own).toBe(true);
    for (const own of ['mod+K', 'mod+shift+Z', 'alt+1', 'ctrl+B', 'Escape']) expect(isSingleKey(own), own).toBe(false);
  });
});

describe('Escape', () => {
  /** An element within others that match these selectors. */
  const within = (...own: readonly string[]) => ({
    closest: (selectors: string) =>
      (selectors.split(', ').some((one) => own.includes(one)) ? {} : null) as Element | null,
  });

  it('closes a dialog or a menu that the focus is in, and what its button has opened', () => {
    for (const own of ['[role="dialog"]', '[role="menu"]', '[aria-haspopup][aria-expanded="true"]']) {
      expect(isClosedByEscape(within(own)), own).toBe(true);
    }
  });

  it('closes nothing on the page itself', () => {
    expect(isClosedByEscape(within('main', '[role="grid"]', '[role="listbox"]'))).toBe(false);
  });
});
