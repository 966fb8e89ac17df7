/** The window's title: while the page is out of sight, how far long work is, and that it ended. */

import { useEffect } from 'react';
import { titleOf } from '../state/status.ts';
import { useWorkbench } from './workbench-context.ts';

/** Work that takes less is not worth a word in the tab's title. */
const WORTH_SAYING_MS = 3000;

export function useTitle(): void {
  const { studio } = useWorkbench();
  useEffect(() => {
    const own = document.title;
    let isNews = false;
    const show = () => {
      const isHidden = document.visibilityState === 'hidden';
      if (!isHidden) isNews = false;
      const { work } = studio.store.getState();
      const next = isHidden && work ? `${titleOf(work)} · ${own}` : isNews ? `Done · ${own}` : own;
      if (document.title !== next) document.title = next;
    };
    const stop = studio.store.subscribe(({ work, fault }, { work: before }) => {
      if (work === before) return;
      const wasLong = before !== null && performance.now() - before.pace.startedMs >= WORTH_SAYING_MS;
      if (work === null && wasLong && fault === null) isNews = document.visibilityState === 'hidden';
      show();
    });
    document.addEventListener('visibilitychange', show);
    return () => {
      stop();
      document.removeEventListener('visibilitychange', show);
      document.title = own;
    };
  }, [studio]);
}
