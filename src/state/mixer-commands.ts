/** Mixer commands: what the buttons of the weights map and its strips do, for the palette and the help as well. */

import type { Command } from './commands.ts';
import type { Echo } from './echo.ts';
import type { Mixer } from './mixer.ts';
import { DETAILS } from './mixer.ts';
import { lockCount } from './mixer-locks.ts';
import { mutedModels, muteObstacle, soloObstacle } from './mixer-mutes.ts';
import { hasFilteredValues } from './shown-value.ts';
import type { Studio } from './studio.ts';
import type { View } from './view.ts';

type Place = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
const PLACES: readonly Place[] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export type MixerCommandName =
  | 'resetWeights'
  | 'mapFiner'
  | 'mapCoarser'
  | 'paintWeights'
  | 'copyWeights'
  | 'pasteWeights'
  | 'lockWeights'
  | 'unlockWeights'
  | 'unmuteAll'
  | 'answerAgain'
  | `muteModel${Place}`
  | `soloModel${Place}`;

/** The mixer's commands. */
export function mixerCommands(studio: Studio, mixer: Mixer, view: View, echo: Echo): readonly Command[] {
  const state = studio.store.getState;
  const canEdit = () => {
    const { map, recipe, problems } = state();
    return map !== null && map.handle !== null && recipe !== null && problems.length === 0;
  };
  const detailAt = () => DETAILS.indexOf(view.store.getState().mapDetail);
  const modelAt = (place: Place) => state().recipe?.models[place - 1];
  return [
    {
      name: 'resetWeights',
      group: 'Mixer',
      label: 'Reset weights',
      help: 'Gives everything that is set by hand on the map back to the method, but what is locked.',
      shortcut: null,
      isEnabled() {
        const { recipe, map } = state();
        return canEdit() && recipe !== null && hasFilteredValues(recipe, map?.handle ?? '');
      },
      perform: mixer.resetWeights,
    },
    {
      name: 'mapFiner',
      group: 'Mixer',
      label: 'Finer',
      help: 'Shows the weights map in more detail, down to tensors. On the map: ].',
      shortcut: null,
      isEnabled: () => state().map !== null && detailAt() < DETAILS.length - 1,
      perform: () => mixer.zoom(1),
    },
    {
      name: 'mapCoarser',
      group: 'Mixer',
      label: 'Coarser',
      help: 'Shows the weights map in less detail, up to groups of modules. On the map: [.',
      shortcut: null,
      isEnabled: () => state().map !== null && detailAt() > 0,
      perform: () => mixer.zoom(-1),
    },
    {
      name: 'paintWeights',
      group: 'Mixer',
      label: 'Paint',
      help: 'A drag over cells of a model sets them all to one value. On the map: B.',
      shortcut: null,
      isEnabled: canEdit,
      perform: () => mixer.setPainting(!mixer.store.getState().isPainting),
    },
    {
      name: 'copyWeights',
      group: 'Mixer',
      label: 'Copy weights',
      help: 'Copies the selected row or cells of the map. On the map: Ctrl+C.',
      shortcut: null,
      isEnabled: () => state().map !== null,
      perform: mixer.copySelected,
    },
    {
      name: 'pasteWeights',
      group: 'Mixer',
      label: 'Paste weights',
      help: 'Pastes what was copied onto the selected rows or cells. On the map: Ctrl+V.',
      shortcut: null,
      isEnabled: () => canEdit() && mixer.store.getState().copied !== null,
      perform: mixer.paste,
    },
    {
      name: 'lockWeights',
      group: 'Mixer',
      label: 'Lock weights',
      help: 'Locks or unlocks the selected row or cells: paint, paste, presets, curves and reset leave them alone. On the map: L.',
      shortcut: null,
      isEnabled: canEdit,
      perform: mixer.toggleLock,
    },
    {
      name: 'unlockWeights',
      group: 'Mixer',
      label: 'Unlock all weights',
      shortcut: null,
      isEnabled: () => lockCount(mixer.store.getState().locks) > 0,
      perform: mixer.unlockAll,
    },
    {
      name: 'unmuteAll',
      group: 'Mixer',
      label: 'Unmute all models',
      shortcut: null,
      isEnabled() {
        const { recipe, problems } = state();
        return recipe !== null && problems.length === 0 && mutedModels(recipe).length > 0;
      },
      perform: mixer.mutes.unmuteAll,
    },
    {
      name: 'answerAgain',
      group: 'Chat',
      label: 'Answer again after each change',
      help: 'While it is on, the last message is answered anew by every new blend.',
      shortcut: null,
      isEnabled: () => true,
      perform: () => echo.setOn(!echo.store.getState().isOn),
    },
    ...PLACES.flatMap((place): readonly Command[] => {
      const obstacleTo = (find: typeof muteObstacle | typeof soloObstacle, isUndone: boolean) => {
        const { recipe } = state();
        const model = modelAt(place);
        return !recipe || !model || isUndone ? null : find(recipe, model.model);
      };
      const isSoloed = () => mixer.mutes.store.getState().solo?.model === modelAt(place)?.model;
      const isThere = () => modelAt(place) !== undefined && state().problems.length === 0;
      const nameOf = () => modelAt(place)?.model ?? `model ${place}`;
      const mute = () => obstacleTo(muteObstacle, modelAt(place)?.isMuted === true);
      const solo = () => obstacleTo(soloObstacle, isSoloed());
      return [
        {
          name: `muteModel${place}`,
          group: 'Mixer',
          get label() {
            return `${modelAt(place)?.isMuted ? 'Unmute' : 'Mute'} ${nameOf()}`;
          },
          help: 'A muted model keeps its settings and takes no part in the merge.',
          shortcut: null,
          isHidden: () => modelAt(place) === undefined,
          isEnabled: () => isThere() && mute() === null,
          obstacle: mute,
          perform() {
            const model = modelAt(place);
            if (model) mixer.mutes.toggleMute(model.model);
          },
        },
        {
          name: `soloModel${place}`,
          group: 'Mixer',
          get label() {
            return isThere() && isSoloed() ? `End solo of ${nameOf()}` : `Solo ${nameOf()}`;
          },
          help: 'Mutes all the others; once more brings back what was.',
          shortcut: null,
          isHidden: () => modelAt(place) === undefined,
          isEnabled: () => isThere() && solo() === null,
          obstacle: solo,
          perform() {
            const model = modelAt(place);
            if (model) mixer.mutes.toggleSolo(model.model);
          },
        },
      ];
    }),
  ];
}
