/** While something is being saved the browser asks before it leaves the page: half a file is no file. */

import { useEffect } from 'react';
import { useStudio } from './workbench-context.ts';

export function useLeaveGuard(): void {
  const isSaving = useStudio(({ work }) => work?.kind === 'save');
  useEffect(() => {
    if (!isSaving) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [isSaving]);
}
