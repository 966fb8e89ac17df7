/**
 * Workbench: everything of one page put together: the studio, what follows from changes, the chat, saving, commands.
 */

import { type ChatFiles, createChatFiles } from './chat-files.ts';
import { keepConversations } from './chat-keeping.ts';
import { type Chat, createChat } from './chat-store.ts';
import { type Commands, createCommands } from './commands.ts';
import { meterContext } from './context-meter.ts';
import type { EngineApi } from './engine-api.ts';
import { type Follower, follow } from './follow.ts';
import { createOutput, type Output } from './output.ts';
import { createPerplexity, type Perplexity } from './perplexity.ts';
import { createStudio, type Studio } from './studio.ts';
import type { Surroundings } from './surroundings.ts';
import { createView, type View } from './view.ts';

export interface Workbench {
  readonly studio: Studio;
  readonly follower: Follower;
  readonly chat: Chat;
  readonly chatFiles: ChatFiles;
  readonly perplexity: Perplexity;
  readonly output: Output;
  readonly commands: Commands;
  readonly view: View;
  readonly surroundings: Surroundings;
}

/** Puts a workbench together over an engine and starts both. */
export function createWorkbench(engine: EngineApi, surroundings: Surroundings): Workbench {
  const studio = createStudio(engine);
  const follower = follow(studio);
  const chat = createChat(studio);
  const output = createOutput(studio, follower, surroundings);
  const chatFiles = createChatFiles(studio, chat, output, surroundings);
  const perplexity = createPerplexity(studio, chat);
  const commands = createCommands(studio, follower, chat, output, chatFiles, surroundings);
  const view = createView();
  meterContext(chat, studio);
  if (surroundings.store) keepConversations(chat, surroundings.store);
  void studio.start();
  return { studio, follower, chat, chatFiles, perplexity, output, commands, view, surroundings };
}
