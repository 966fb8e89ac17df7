/** Whether the chat's settings are as they are at first. */

import { type ChatSettings, DEFAULT_SETTINGS } from '../state/chat-store.ts';

export function usesDefaults(settings: ChatSettings): boolean {
  return (Object.keys(DEFAULT_SETTINGS) as (keyof ChatSettings)[]).every(
    (key) => JSON.stringify(settings[key]) === JSON.stringify(DEFAULT_SETTINGS[key]),
  );
}
