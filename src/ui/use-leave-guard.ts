/**
 * While a merge or a save runs the browser asks before it leaves the page: half a merge is none. Where the browser keeps
 * nothing it also asks once a recipe was changed by hand.
 */

import { useEffect } from 'react';
import { useStudio, useWorkspace } from './workbench-context.ts';

export function useLeaveGuard(): void {
  const isKept = useWorkspace((state) => state.isKept);
  const isAsking = useStudio(
    ({ work, canUndo }) => work?.kind === 'save' || work?.kind === 'blend' || (!isKept && canUndo),
  );
  useEffect(() => {
    if (!isAsking) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [isAsking]);
}
