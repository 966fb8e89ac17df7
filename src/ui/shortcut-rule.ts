/**
 * ShortcutRule: when a shortcut gives way to what a person is doing: single keys while something is typed or chosen in
 * a field, undo in a field that has an undo of its own. Pure but for the element that it is asked about. What the
 * shortcuts are is said by the commands.
 */

/** Inputs in which keys are not text. */
const KEYLESS_INPUTS = ['button', 'checkbox', 'color', 'file', 'image', 'radio', 'range', 'reset', 'submit'];

/** In these fields undo belongs to the text that is being typed; the recipe's undo is the page's. */
const OWN_UNDO = 'textarea, input[type="text"], input[type="search"], input:not([type])';
const RECIPE = '[aria-label="Recipe"]';

/** The few things of an element that decide; an `HTMLElement` has them. */
export interface Field {
  readonly tagName: string;
  readonly isContentEditable?: boolean;
  readonly getAttribute: (name: string) => string | null;
}

/** Whether keys pressed there are text or a choice in a field. */
export function takesKeys(field: Field): boolean {
  const tag = field.tagName.toLowerCase();
  if (tag === 'textarea' || tag === 'select' || field.isContentEditable === true) return true;
  return tag === 'input' && !KEYLESS_INPUTS.includes(field.getAttribute('type') ?? 'text');
}

/** Whether a shortcut is a key alone (or with Shift), such as `B` or `shift+?`. Escape is none: it types nothing. */
export function isSingleKey(shortcut: string): boolean {
  return !/\b(mod|ctrl|meta|alt)\b/.test(shortcut) && shortcut !== 'Escape';
}

/** What lies over the page and is closed by Escape, and the button that has opened one. */
const LAYER = '[role="dialog"], [role="menu"]';
const OPENER = '[aria-haspopup][aria-expanded="true"]';

/** Whether Escape, pressed there, closes something. To be asked before anything has been closed. */
export function isClosedByEscape(target: Pick<Element, 'closest'>): boolean {
  return target.closest(LAYER) !== null || target.closest(OPENER) !== null;
}

/** Whether a shortcut gives way to the field that has the focus. */
export function givesWay(shortcut: string, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (isSingleKey(shortcut)) return takesKeys(target);
  const isUndo = /^mod\+(shift\+)?z$/i.test(shortcut);
  return isUndo && target.matches(OWN_UNDO) && !target.matches(RECIPE);
}
