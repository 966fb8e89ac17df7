/** What lies over the page: the command palette, the help, the tour. None is part of the first screen. */

import { lazy, Suspense, useEffect } from 'react';
import { Fallible } from './fallible.tsx';
import { useStudio, useView } from './workbench-context.ts';

const loadPalette = () => import('./palette-dialog.tsx');
const PaletteDialog = lazy(async () => ({ default: (await loadPalette()).PaletteDialog }));
const HelpPage = lazy(async () => ({ default: (await import('./help-page.tsx')).HelpPage }));
const TourGuide = lazy(async () => ({ default: (await import('./tour.tsx')).TourGuide }));

export function PageOverlays() {
  const overlay = useView((state) => state.overlay);
  const isTouring = useView((state) => state.tourStep !== null);
  const hasEngine = useStudio((state) => state.engine !== null);
  useEffect(() => {
    // People type at once after its shortcut: it is there by then.
    if (hasEngine) void loadPalette().catch(() => undefined);
  }, [hasEngine]);
  return (
    <Fallible fallback={<p role="alert">A part of the page could not be loaded. Reload the page.</p>}>
      <Suspense fallback={null}>
        {overlay === 'palette' && <PaletteDialog />}
        {overlay === 'help' && <HelpPage />}
        {isTouring && <TourGuide />}
      </Suspense>
    </Fallible>
  );
}
