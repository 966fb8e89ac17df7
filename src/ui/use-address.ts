/** Addresses that say what to open: `#samples` opens the samples and leaves the rest to the person who followed the link. */

import { useEffect } from 'react';
import { useWorkbench } from './workbench-context.ts';

export function useAddress(): void {
  const { commands } = useWorkbench();
  useEffect(() => {
    const follow = () => {
      if (window.location.hash !== '#samples') return;
      // Followed once: a reload comes back to what was open, and the same link can be followed again.
      window.history.replaceState(null, '', window.location.pathname + window.location.search);
      if (commands.openSamplesOnly.isEnabled()) void commands.openSamplesOnly.perform();
    };
    follow();
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, [commands]);
}
