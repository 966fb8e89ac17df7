/**
 * Speaker choices: everybody who could be talked to (the merged model, earlier blends, open checkpoints), whether they
 * can be now, and who a column means. Pure. Not the speaking (`speakers.ts`) and not the conversation.
 */

import { modelsNeeded } from '../recipe/recipe.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import type { Column } from './conversation.ts';
import type { Speaker } from './engine-api.ts';
import type { StudioState } from './studio.ts';

/** A blend that was live and is so no more, as a choice. */
export interface PastBlend {
  readonly blend: number;
  /** Such as `Blend 3 · varm · weight 0.25, 0.75`. */
  readonly label: string;
  /** Its recipe. */
  readonly text: string;
}

/** Somebody in the list "Talk to". */
export interface SpeakerChoice {
  readonly speaker: Speaker;
  readonly label: string;
  /** Null where it can be talked to now. */
  readonly obstacle: string | null;
  readonly hasChatTemplate: boolean;
}

export const MERGED_LABEL = 'Merged model';

/** Everybody who could be talked to, the merged model first, then earlier blends from the newest on. */
export function speakerChoices(studio: StudioState, blends: readonly PastBlend[] = []): readonly SpeakerChoice[] {
  const obstacle = studio.blend === null ? 'Press Merge first to talk to the merged model.' : studio.blend.chatObstacle;
  const merged = {
    speaker: { kind: 'blend' },
    label: MERGED_LABEL,
    obstacle,
    hasChatTemplate: donorHasTemplate(studio, studio.recipe),
  } as const;
  const earlier = blends.filter(({ text }) => text !== studio.blendText);
  return [
    merged,
    ...earlier.map(({ label, text }) => choiceOfRecipe({ kind: 'recipe', label, text }, studio)),
    ...studio.checkpoints.map(({ name, chatObstacle, hasChatTemplate }) => ({
      speaker: { kind: 'checkpoint', name } as const,
      label: name,
      obstacle: chatObstacle,
      hasChatTemplate,
    })),
  ];
}

/** Why there is nobody to talk to, where nobody who is open can talk. */
export function nobodySentence({ checkpoints }: StudioState): string {
  const [only, ...others] = checkpoints;
  if (!only?.chatObstacle) return 'Open a checkpoint with its config and tokenizer to talk to it.';
  if (others.length > 0) return 'None of the open checkpoints can be talked to; the list of checkpoints says why.';
  return only.chatObstacle;
}

function choiceOfRecipe(speaker: Speaker & { kind: 'recipe' }, studio: StudioState): SpeakerChoice {
  const { recipe } = diagnoseRecipe(speaker.text);
  const isOpen = (model: string) => studio.checkpoints.some(({ name }) => name === lastPart(model));
  const missing = recipe ? modelsNeeded(recipe).find((model) => !isOpen(model)) : undefined;
  const obstacle =
    missing === undefined ? null : `${missing} is not open any more; add it again to talk to this blend.`;
  return { speaker, label: speaker.label, obstacle, hasChatTemplate: donorHasTemplate(studio, recipe) };
}

function lastPart(model: string): string {
  return model.replace(/\/+$/, '').split('/').pop() ?? model;
}

/** Whether the model that lends a result its tokenizer has a chat template. */
function donorHasTemplate({ checkpoints }: StudioState, recipe: StudioState['recipe']): boolean {
  const name = recipe?.base ?? recipe?.models[0]?.model;
  return checkpoints.find((own) => own.name === name)?.hasChatTemplate ?? false;
}

/** Whether two speakers are the same. */
export function sameSpeaker(a: Speaker | null, b: Speaker | null): boolean {
  return speakerKey(a) === speakerKey(b);
}

/** A speaker as one string, for lists. */
export function speakerKey(speaker: Speaker | null): string {
  if (speaker === null) return '';
  if (speaker.kind === 'blend') return 'blend';
  return speaker.kind === 'checkpoint' ? `checkpoint:${speaker.name}` : `recipe:${speaker.text}`;
}

/** What a speaker is called where it is not among the choices any more. */
export function speakerLabel(speaker: Speaker): string {
  if (speaker.kind === 'blend') return MERGED_LABEL;
  return speaker.kind === 'checkpoint' ? speaker.name : speaker.label;
}

/**
 * Who a column means: its speaker. A column that means nobody yet means the first who can talk; so does an only column
 * whose speaker is not there, since nobody compares it with another. Null: nobody can talk.
 */
export function speakerOf(
  column: Column,
  isOnly: boolean,
  studio: StudioState,
  blends: readonly PastBlend[] = [],
): SpeakerChoice | null {
  const choices = speakerChoices(studio, blends);
  const fallback = () => choices.find(({ obstacle }) => obstacle === null) ?? null;
  const { speaker } = column;
  if (speaker === null) return fallback();
  const chosen = choices.find((choice) => sameSpeaker(choice.speaker, speaker)) ?? goneChoice(speaker, studio);
  if (chosen.obstacle === null || !isOnly) return chosen;
  const isOpenCheckpoint = speaker.kind === 'checkpoint' && choices.includes(chosen);
  return isOpenCheckpoint ? chosen : (fallback() ?? null);
}

function goneChoice(speaker: Speaker, studio: StudioState): SpeakerChoice {
  if (speaker.kind === 'recipe') return choiceOfRecipe(speaker, studio);
  const label = speakerLabel(speaker);
  return { speaker, label, obstacle: `${label} is not open any more; add it again.`, hasChatTemplate: false };
}
