/** The page: one workbench over one engine, laid out in the order in which a person works. */

import './mantine-styles.ts';
import './page.css';
import { MantineProvider } from '@mantine/core';
import { useEffect } from 'react';
import { connectEngine } from '../state/engine-client.ts';
import { windowSurroundings } from '../state/surroundings.ts';
import { createWorkbench } from '../state/workbench.ts';
import { resolveVariables, theme } from './theme.ts';
import { WorkbenchContext } from './workbench-context.ts';
import { WorkbenchPage } from './workbench-page.tsx';

/** Resolves when the first screen has been painted: the engine's script waits for that. */
let tellDrawn = () => {};
const drawn = new Promise<void>((resolve) => {
  tellDrawn = resolve;
});

const workbench = createWorkbench(connectEngine(drawn), windowSurroundings(window));

export function App() {
  useEffect(() => {
    // In the task after the frame that shows it. A page in the background is not painted, and need not wait.
    if (document.hidden) tellDrawn();
    else requestAnimationFrame(() => setTimeout(tellDrawn));
  }, []);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={resolveVariables} defaultColorScheme="auto">
      <WorkbenchContext value={workbench}>
        <WorkbenchPage />
      </WorkbenchContext>
    </MantineProvider>
  );
}
