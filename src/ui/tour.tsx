/**
 * The tour: a small box beside the part of the page that it is about, with a frame around that part. The page stays as
 * it is and can be used all the while. What it says is `state/tour.ts`.
 */

import { Button } from '@mantine/core';
import { type CSSProperties, type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { TOUR_STEPS, type TourPlace } from '../state/tour.ts';
import styles from './tour.module.css';
import { type Frame, placeBeside } from './tour-place.ts';
import { useView, useWorkbench } from './workbench-context.ts';

/** The parts of the page, by what assistive technology calls them. */
const PLACES: Readonly<Record<TourPlace, string>> = {
  models: 'section[aria-labelledby="checkpoints-title"]',
  map: '[role="grid"][aria-label="Weights map"]',
  chat: 'section[aria-label="Conversation"] [role="log"]',
  save: 'section[aria-labelledby="output-title"]',
};

/** Everything that scrolls around these parts of the page, and how far down it is. */
function scrolledBy(places: readonly string[]): ReadonlyMap<Element, number> {
  const found = new Map<Element, number>();
  for (const place of places) {
    for (let own = document.querySelector(place); own !== null; own = own.parentElement) found.set(own, own.scrollTop);
  }
  return found;
}

export function TourGuide() {
  const { tour } = useWorkbench();
  const step = useView((state) => state.tourStep) ?? 0;
  const shown = TOUR_STEPS[step] ?? TOUR_STEPS[0];
  const box = useRef<HTMLDivElement>(null);
  const next = useRef<HTMLButtonElement>(null);
  const frame = useFrame(shown?.place ?? null);
  const [place, setPlace] = useState<CSSProperties>({ opacity: 0 });

  const reached = useRef(step);
  useEffect(() => {
    reached.current = step;
  }, [step]);
  useEffect(() => {
    const before = document.activeElement;
    const scrolled = scrolledBy(Object.values(PLACES));
    return () => {
      // Seen to its end, it leaves the page as it found it; whoever breaks off stays where they are.
      if (reached.current === TOUR_STEPS.length - 1) for (const [element, top] of scrolled) element.scrollTop = top;
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useEffect(() => {
    next.current?.focus({ preventScroll: true });
  }, [step]);
  useEffect(() => {
    // Wherever the focus went meanwhile; what has a use of its own for Escape takes it first.
    const onEscape = (event: globalThis.KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented) tour.end();
    };
    document.addEventListener('keydown', onEscape);
    return () => document.removeEventListener('keydown', onEscape);
  }, [tour]);
  useLayoutEffect(() => {
    const { width = 0, height = 0 } = box.current?.getBoundingClientRect() ?? {};
    const room = { width: document.documentElement.clientWidth, height: window.innerHeight };
    setPlace(placeBeside(frame, { width, height }, room));
  }, [frame, step]);

  if (!shown) return null;
  const isLast = step === TOUR_STEPS.length - 1;
  const onKeyDown = (event: KeyboardEvent) => {
    // Not for whoever listens beyond the box: Escape also stops a reply.
    if (event.key === 'Escape') tour.end();
    else if (event.key === 'ArrowRight' && !isLast) tour.step(1);
    else if (event.key === 'ArrowLeft') tour.step(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      {frame && (
        <div
          className={styles.frame}
          style={{ top: frame.top, left: frame.left, width: frame.width, height: frame.height }}
          aria-hidden
        />
      )}
      {/* Its keys work wherever the focus is in it. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={box}
        role="dialog"
        aria-labelledby="tour-title"
        aria-describedby="tour-text"
        className={styles.box}
        style={place}
        onKeyDown={onKeyDown}
      >
        <h2 id="tour-title">{shown.title}</h2>
        <p id="tour-text">{shown.text}</p>
        <div className={styles.foot}>
          <span className={styles.count}>
            {step + 1} of {TOUR_STEPS.length}
          </span>
          {!isLast && (
            <Button variant="subtle" color="gray" size="compact-xs" onClick={() => tour.end()}>
              End tour
            </Button>
          )}
          {step > 0 && (
            <Button variant="default" size="compact-xs" onClick={() => tour.step(-1)}>
              Back
            </Button>
          )}
          <Button ref={next} size="compact-xs" onClick={() => tour.step(1)}>
            {isLast ? 'Done' : 'Next'}
          </Button>
        </div>
      </div>
    </>
  );
}

/** Where a part of the page stands in the window, brought into sight first; null where it is not on the page. */
function useFrame(place: TourPlace | null): Frame | null {
  const [frame, setFrame] = useState<Frame | null>(null);
  useLayoutEffect(() => {
    if (place === null) return;
    const find = () => document.querySelector<HTMLElement>(PLACES[place]);
    find()?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    let request = 0;
    const measure = () => {
      const element = find();
      const found = element && shownPart(element);
      setFrame((old) =>
        found === null
          ? null
          : old &&
              old.top === found.top &&
              old.left === found.left &&
              old.width === found.width &&
              old.height === found.height
            ? old
            : found,
      );
      // The page is live: what it points at may move or grow.
      request = requestAnimationFrame(measure);
    };
    measure();
    return () => cancelAnimationFrame(request);
  }, [place]);
  return frame;
}

/** The part of an element that is not scrolled out of sight; null where nothing of it is shown. */
function shownPart(element: HTMLElement): Frame | null {
  let { top, left, right, bottom } = element.getBoundingClientRect();
  for (let around = element.parentElement; around; around = around.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(around);
    if (overflowX === 'visible' && overflowY === 'visible') continue;
    const edge = around.getBoundingClientRect();
    [top, left] = [Math.max(top, edge.top), Math.max(left, edge.left)];
    [right, bottom] = [Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
  }
  return right > left && bottom > top ? { top, left, width: right - left, height: bottom - top } : null;
}
