/** The status line as it is shown: while work runs it changes at most twice a second, so that it can be read. */

import { useEffect, useRef, useState } from 'react';
import { type Status, statusOf } from '../state/status.ts';
import { useStudio } from './workbench-context.ts';

const SHOWN_EVERY_MS = 500;
/** Work that is done sooner than this is not announced: only its result is. */
const WORTH_SAYING_MS = 150;

export function useStatus(): Status {
  const state = useStudio((s) => s);
  const status = statusOf(state);
  const [shown, setShown] = useState(status);
  const newest = useRef(status);
  const lastMs = useRef(0);
  const busySinceMs = useRef<number | null>(null);
  const { tone, sentence, fraction, code, figures } = status;
  const { done, rate, left } = figures ?? {};

  useEffect(() => {
    newest.current = status;
  });
  useEffect(() => {
    const show = () => {
      lastMs.current = performance.now();
      setShown(newest.current);
    };
    const now = performance.now();
    busySinceMs.current = tone === 'busy' ? (busySinceMs.current ?? now) : null;
    const dueMs = Math.max(lastMs.current + SHOWN_EVERY_MS, (busySinceMs.current ?? now) + WORTH_SAYING_MS);
    const wait = tone === 'busy' ? dueMs - now : 0;
    if (wait <= 0) {
      show();
      return;
    }
    const timer = setTimeout(show, wait);
    return () => clearTimeout(timer);
  }, [tone, sentence, fraction, code, done, rate, left]);

  return shown;
}
