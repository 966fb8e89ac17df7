/** Page commands: what comes to the front: a view of the centre, the palette, the help, the tour. */

import type { Command } from './commands.ts';
import type { Studio } from './studio.ts';
import type { Tour } from './tour.ts';
import type { View } from './view.ts';

/** The page's commands. */
export function pageCommands(studio: Studio, view: View, tour: Tour): readonly Command[] {
  const isOpen = () => studio.store.getState().checkpoints.length > 0;
  const openObstacle = () => (isOpen() ? null : 'Open the samples or your own models first.');
  return [
    {
      name: 'showMixer',
      group: 'View',
      label: 'Show the mixer',
      help: 'The weights map and the recipe.',
      shortcut: 'mod+1',
      isEnabled: isOpen,
      obstacle: openObstacle,
      perform: () => view.change({ centre: 'mixer' }),
    },
    {
      name: 'showCurves',
      group: 'Mixer',
      label: 'Curves over layers',
      help: 'Unfolds the curves below the map: a weight that differs from layer to layer, drawn by hand.',
      shortcut: null,
      isEnabled: isOpen,
      obstacle: openObstacle,
      perform: () => view.change({ centre: 'mixer', curvesOpen: true }),
    },
    {
      name: 'showGroups',
      group: 'Mixer',
      label: 'Groups by name',
      help: 'Unfolds the groups below the map: weights of their own for tensors whose names have something in common.',
      shortcut: null,
      isEnabled: isOpen,
      obstacle: openObstacle,
      perform: () => view.change({ centre: 'mixer', groupsOpen: true }),
    },
    {
      name: 'showModels',
      group: 'View',
      label: 'Show the models',
      help: 'What each model changed, tensor by tensor.',
      shortcut: 'mod+2',
      isEnabled: isOpen,
      obstacle: openObstacle,
      perform: () => view.change({ centre: 'models' }),
    },
    {
      name: 'openPalette',
      group: 'View',
      label: 'Command palette',
      help: 'Find a command, a method, a view or a help topic by its name.',
      shortcut: 'mod+K',
      isEnabled: () => true,
      perform() {
        const { overlay } = view.store.getState();
        view.change({ overlay: overlay === 'palette' ? null : 'palette' });
      },
    },
    {
      name: 'openHelp',
      group: 'Help',
      label: 'Help',
      help: 'Shortcuts, methods, the recipe, the map, and what the numbers mean.',
      shortcut: 'shift+?',
      isEnabled: () => true,
      perform: () => view.change({ overlay: 'help', helpTopic: null }),
    },
    {
      name: 'startTour',
      group: 'Help',
      label: 'Show me around',
      help: 'Four steps over the models, the map, the chat and saving.',
      shortcut: null,
      isEnabled: isOpen,
      obstacle: openObstacle,
      perform: () => tour.start(),
    },
  ];
}
