/** What lies over the page: the command palette or the help. Neither is loaded before it is asked for. */

import { lazy, Suspense } from 'react';
import { Fallible } from './fallible.tsx';
import { useView } from './workbench-context.ts';

const PaletteDialog = lazy(async () => ({ default: (await import('./palette-dialog.tsx')).PaletteDialog }));
const HelpPage = lazy(async () => ({ default: (await import('./help-page.tsx')).HelpPage }));
const TourGuide = lazy(async () => ({ default: (await import('./tour.tsx')).TourGuide }));

export function PageOverlays() {
  const overlay = useView((state) => state.overlay);
  const isTouring = useView((state) => state.tourStep !== null);
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
