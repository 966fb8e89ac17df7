/**
 * Mixer stroke: settings that come as fast as a pointer moves, written to the recipe no faster than that can be done.
 * The newest setting of a part wins; what waits when the stroke ends is written then.
 */

import type { Setting } from './mixer-edits.ts';

/** Writing takes at most this share of the time while a pointer moves. */
const SHARE = 0.25;
const FRAME_MS = 16;

export interface Stroke {
  readonly add: (settings: readonly Setting[]) => void;
  /** Writes what waits; gives the newest setting of every part that the stroke set. */
  readonly end: () => readonly Setting[];
}

/** Begins a stroke; `write` puts settings into the recipe. */
export function beginStroke(write: (settings: readonly Setting[]) => void, now = () => performance.now()): Stroke {
  const waiting = new Map<string, Setting>();
  const all = new Map<string, Setting>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pauseMs = 0;

  const flush = () => {
    timer = undefined;
    if (waiting.size === 0) return;
    const settings = [...waiting.values()];
    waiting.clear();
    const start = now();
    write(settings);
    pauseMs = Math.max(FRAME_MS, (now() - start) / SHARE);
  };

  return {
    add(settings) {
      for (const setting of settings) {
        const key = `${setting.model}\n${setting.filters.join('\n')}`;
        waiting.set(key, setting);
        all.set(key, setting);
      }
      timer ??= setTimeout(flush, pauseMs);
    },
    end() {
      clearTimeout(timer);
      flush();
      return [...all.values()];
    },
  };
}
