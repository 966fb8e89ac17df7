/** The page: one workbench over one engine, laid out in the order in which a person works. */

import './mantine-styles.ts';
import './page.css';
import { MantineProvider } from '@mantine/core';
import { connectEngine } from '../state/engine-client.ts';
import { windowSurroundings } from '../state/surroundings.ts';
import { createWorkbench } from '../state/workbench.ts';
import { resolveVariables, theme } from './theme.ts';
import { WorkbenchContext } from './workbench-context.ts';
import { WorkbenchPage } from './workbench-page.tsx';

const workbench = createWorkbench(connectEngine(), windowSurroundings(window));

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={resolveVariables} defaultColorScheme="auto">
      <WorkbenchContext value={workbench}>
        <WorkbenchPage />
      </WorkbenchContext>
    </MantineProvider>
  );
}
