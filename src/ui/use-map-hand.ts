/**
 * The hand on the weights map: which pointer and key does what. It only listens; what a gesture does to the recipe is
 * `state/mixer.ts`.
 */

import {
  type FocusEvent,
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from 'react';
import { useStore } from 'zustand';
import type { MapDetail } from '../state/engine-api.ts';
import { type CellPlace, type MapLayout, movedPlace, placesWithin, samePlace } from '../state/map-navigation.ts';
import { selectionOf } from '../state/mixer.ts';
import { useView, useWorkbench } from './workbench-context.ts';

/** Pixels of a vertical drag over the handle's whole range. */
const DRAG_RANGE_PX = 160;
/** A pointer that moved less than this clicked. */
const CLICK_PX = 4;
const KEY_STEP = 0.05;
/** Pixels of the wheel for one step of detail. */
const ZOOM_PX = 60;
/** Between two places that a fast pointer was at, cells are looked for this often. */
const SAMPLE_PX = 8;

/** A row that is to be drawn is waited for as long. */
const MOST_FRAMES = 60;

/** A place in the grid and where it is drawn, in pixels from the wrapper's corner. */
export interface Spot {
  readonly place: CellPlace;
  /** The detail of the map that it is on. */
  readonly detail: MapDetail;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface Press {
  readonly place: CellPlace;
  readonly startY: number;
  x: number;
  y: number;
  hasMoved: boolean;
}

/** @param isFixed whether nothing can be set */
export function useMapHand(layout: MapLayout, wrapper: RefObject<HTMLDivElement | null>, isFixed: boolean) {
  const { mixer } = useWorkbench();
  const [pointed, setPointed] = useState<CellPlace | null>(null);
  const [editing, setEditing] = useState<Spot | null>(null);
  const [typing, setTyping] = useState<(Spot & { readonly text: string }) | null>(null);
  const press = useRef<Press | null>(null);
  const hasDragged = useRef(false);
  /** A place that gets the focus as soon as it is drawn. */
  const wanted = useRef<CellPlace | null>(null);
  const { map } = layout;

  const spotOf = (place: CellPlace): Spot | null => {
    const element = elementAt(wrapper.current, place);
    const box = wrapper.current?.getBoundingClientRect();
    if (!element || !box) return null;
    const { left, top, width, height } = element.getBoundingClientRect();
    return { place, detail: map.detail, left: left - box.left, top: top - box.top, width, height };
  };

  const canSet = (place: CellPlace) => {
    const own = place.column < 0 ? map.rows[place.row] : layout.cells[place.row]?.[place.column];
    return !isFixed && own !== undefined && own.filters.length > 0;
  };

  const edit = (place: CellPlace) => {
    if (canSet(place)) setEditing(spotOf(place));
  };

  const focusOn = (place: CellPlace) => {
    const element = elementAt(wrapper.current, place);
    wanted.current = element ? null : place;
    element?.focus();
  };

  const stopEditing = () => {
    const place = editing?.place ?? typing?.place;
    setEditing(null);
    setTyping(null);
    if (place) focusOn(place);
  };

  // A row that had to be drawn first.
  useEffect(() => {
    if (wanted.current) focusOn(wanted.current);
  });

  const sought = useStore(mixer.seek.store, (state) => state.wanted);
  const isShown = useView((state) => state.centre === 'mixer');
  useEffect(() => {
    if (!sought || !isShown) return undefined;
    let frames = 0;
    const arrive = () => {
      const element = elementAt(wrapper.current, sought);
      // In a long map its row is drawn a moment later.
      if (!element && frames++ < MOST_FRAMES) {
        frame = requestAnimationFrame(arrive);
        return;
      }
      mixer.seek.arrived();
      element?.scrollIntoView({ block: 'center', inline: 'nearest' });
      // Somebody who has gone elsewhere meanwhile stays there.
      const at = document.activeElement;
      if (at === null || at === document.body || at.closest('[role="tablist"], [role="tabpanel"]')) {
        element?.focus({ preventScroll: true });
      }
    };
    let frame = requestAnimationFrame(arrive);
    return () => cancelAnimationFrame(frame);
  }, [sought, isShown, mixer, wrapper]);

  const { detail } = map;
  const hadFocus = useRef(false);
  useEffect(() => {
    // On a map of another detail the cell that had the focus may be gone.
    if (hadFocus.current && !wrapper.current?.contains(document.activeElement)) {
      elementAt(wrapper.current, mixer.store.getState().active)?.focus({ preventScroll: true });
    }
  }, [detail, mixer, wrapper]);

  // React listens to the wheel passively, and the browser would zoom the page.
  useEffect(() => {
    const box = wrapper.current;
    let rolled = 0;
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      rolled += event.deltaY;
      if (Math.abs(rolled) < ZOOM_PX) return;
      const place = placeOfTarget(event.target);
      if (place) mixer.focus(place);
      mixer.zoom(rolled < 0 ? 1 : -1);
      rolled = 0;
    };
    box?.addEventListener('wheel', onWheel, { passive: false });
    return () => box?.removeEventListener('wheel', onWheel);
  }, [mixer, wrapper]);

  const onKeyDown = (event: KeyboardEvent) => {
    const place = placeOfTarget(event.target);
    if (!place || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if (event.shiftKey || (key !== 'c' && key !== 'v')) return;
      if (key === 'c') mixer.copySelected();
      else mixer.paste();
      event.preventDefault();
      return;
    }
    const next = movedPlace(event.key, place, layout.cells, layout.shownColumns, map.models.length);
    const { isPainting, brush, anchor } = mixer.store.getState();
    if (next) {
      mixer.focus(next, event.shiftKey);
      focusOn(next);
    } else if (event.key === 'Enter' || event.key === ' ') {
      if (isPainting) mixer.setSelected(brush);
      else edit(place);
    } else if (event.key === 'Delete' || event.key === 'Backspace') mixer.setSelected(null);
    else if (event.key === '+' || event.key === '=') mixer.nudgeSelected(KEY_STEP);
    else if (event.key === '-') mixer.nudgeSelected(-KEY_STEP);
    else if (event.key === '[') mixer.zoom(-1);
    else if (event.key === ']') mixer.zoom(1);
    else if (event.key === 'b' || event.key === 'B') mixer.setPainting(!isPainting);
    else if (event.key === 'l' || event.key === 'L') mixer.toggleLock();
    else if (event.key === 't' || event.key === 'T') mixer.seek.showTensors(place);
    else if (event.key === 'Escape' && (isPainting || anchor !== null)) {
      mixer.setPainting(false);
      mixer.focus(place);
    } else if (/^[\d.,]$/.test(event.key) && canSet(place)) {
      const spot = spotOf(place);
      if (spot) setTyping({ ...spot, text: event.key });
    } else return;
    event.preventDefault();
  };

  const onPointerDown = (event: PointerEvent) => {
    const place = placeOfTarget(event.target);
    hasDragged.current = false;
    if (!place || event.button !== 0) return;
    if (event.shiftKey) {
      mixer.focus(place, true);
      hasDragged.current = true;
      return;
    }
    const { isPainting } = mixer.store.getState();
    // A vertical drag of a finger scrolls, but where it paints.
    if (place.column < 0 || isFixed || (event.pointerType === 'touch' && !isPainting)) return;
    press.current = { place, startY: event.clientY, x: event.clientX, y: event.clientY, hasMoved: false };
    if (isPainting) {
      mixer.beginStroke(place);
      press.current.hasMoved = true;
    }
    // On the cell itself, so that the click after it is the cell's too.
    elementAt(wrapper.current, place)?.setPointerCapture(event.pointerId);
  };

  const onPointerMove = (event: PointerEvent) => {
    const now = press.current;
    if (!now) {
      const place = placeOfTarget(event.target);
      setPointed((was) => (was && place && samePlace(was, place) ? was : place));
      return;
    }
    if (mixer.store.getState().isPainting) {
      for (const place of placesBetween(now, event.clientX, event.clientY)) mixer.strokeOver(place);
      now.x = event.clientX;
      now.y = event.clientY;
      return;
    }
    const up = now.startY - event.clientY;
    if (!now.hasMoved && Math.abs(up) < CLICK_PX) return;
    if (!now.hasMoved) mixer.beginStroke(now.place);
    now.hasMoved = true;
    setPointed(now.place);
    mixer.strokeBy(up / DRAG_RANGE_PX);
  };

  const onPointerUp = () => {
    if (press.current?.hasMoved) {
      hasDragged.current = true;
      mixer.endStroke();
    }
    press.current = null;
  };

  const onClick = (event: MouseEvent) => {
    const place = placeOfTarget(event.target);
    const isClick = place !== null && !hasDragged.current;
    hasDragged.current = false;
    if (!isClick) return;
    mixer.focus(place);
    if (!mixer.store.getState().isPainting) edit(place);
  };

  const onFocus = (event: FocusEvent) => {
    const place = placeOfTarget(event.target);
    hadFocus.current = place !== null;
    if (!place) return;
    const { active } = mixer.store.getState();
    // A drag that begins inside a selection moves all of it.
    const isInside =
      press.current !== null &&
      placesWithin(layout, selectionOf(map, mixer.store.getState())).some((own) => samePlace(own, place));
    if (!samePlace(active, place) && !isInside) mixer.focus(place);
  };

  const onBlur = (event: FocusEvent) => {
    // A cell that is taken away blurs to nowhere.
    if (event.relatedTarget !== null) hadFocus.current = placeOfTarget(event.relatedTarget) !== null;
  };

  return {
    pointed,
    editing: !isFixed && editing?.detail === detail ? editing : null,
    typing: !isFixed && typing?.detail === detail ? typing : null,
    stopEditing,
    /** Gives up what is typed where the focus has gone elsewhere. */
    stopTyping: () => setTyping(null),
    handlers: {
      onKeyDown,
      onPointerDown,
      onPointerMove,
      onPointerUp,
      onPointerCancel: onPointerUp,
      onPointerLeave: () => setPointed(null),
      onClick,
      onFocus,
      onBlur,
    },
  };
}

/** The cells on the straight way of a pointer. */
function placesBetween(from: Press, x: number, y: number): CellPlace[] {
  const steps = Math.max(1, Math.ceil(Math.hypot(x - from.x, y - from.y) / SAMPLE_PX));
  const places: CellPlace[] = [];
  for (let i = 1; i <= steps; i++) {
    const element = document.elementFromPoint(from.x + ((x - from.x) * i) / steps, from.y + ((y - from.y) * i) / steps);
    const place = element && placeOfTarget(element);
    const last = places.at(-1);
    if (place && !(last && samePlace(last, place))) places.push(place);
  }
  return places;
}

/** The place that an element inside the grid stands for. */
function placeOfTarget(target: EventTarget | null): CellPlace | null {
  const data = target instanceof Element ? target.closest<HTMLElement>('[data-row]')?.dataset : undefined;
  return data ? { row: Number(data.row), column: Number(data.column), model: Number(data.model) } : null;
}

function elementAt(root: HTMLElement | null, { row, column, model }: CellPlace): HTMLElement | null {
  const wanted = `[data-row="${row}"][data-column="${column}"][data-model="${column < 0 ? 0 : model}"]`;
  return root?.querySelector<HTMLElement>(wanted) ?? null;
}
