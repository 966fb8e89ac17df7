/** Commands about waiting and about the network: being told of the end of work, and what is kept for no network. */

import type { Command } from './commands.ts';
import type { Notifier } from './notify.ts';
import type { Offline } from './offline.ts';
import type { Studio } from './studio.ts';

export type CalmCommandName = 'tellWhenDone' | 'keepForOffline' | 'takeUpdate';

/** The commands of a notifier and of what is kept offline. */
export function calmCommands(studio: Studio, notifier: Notifier, offline: Offline): readonly Command[] {
  const isWorking = () => studio.store.getState().work !== null;
  return [
    {
      name: 'tellWhenDone',
      group: 'View',
      label: 'Tell me when it is done',
      help: 'Sends a notification when long work ends while you look at something else. Once more turns it off.',
      shortcut: null,
      isEnabled: () => notifier.store.getState().isPossible,
      obstacle: () =>
        notifier.store.getState().isPossible ? null : 'This browser has no notifications, or they were refused.',
      perform: notifier.toggle,
    },
    {
      name: 'keepForOffline',
      group: 'Files',
      label: 'Keep chat for offline use',
      help: 'Fetches the 27 MB that chat needs without a network. Done by itself unless the browser saves data.',
      shortcut: null,
      isEnabled: () => offline.store.getState().stage === 'chatless',
      perform: offline.complete,
    },
    {
      name: 'takeUpdate',
      group: 'View',
      label: 'Reload with the new version',
      shortcut: null,
      isEnabled: () => offline.store.getState().hasUpdate && !isWorking(),
      obstacle: () => (offline.store.getState().hasUpdate && isWorking() ? 'Work is running.' : null),
      perform: offline.takeUpdate,
    },
  ];
}
