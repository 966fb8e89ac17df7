/**
 * Help pictures: the page as it is, made by `npm run screenshots`, beside the topics that they show. They are fetched when
 * the help is opened, and not before.
 */

import firstAnswer from '../../docs/screenshots/first-answer.png';
import mixer from '../../docs/screenshots/mixer-dark.png';
import models from '../../docs/screenshots/models.png';
import recipe from '../../docs/screenshots/recipe.png';

export interface HelpPicture {
  readonly address: string;
  /** What is to be seen, for those who do not see it. */
  readonly text: string;
}

/** By the name of a help topic. */
export const HELP_PICTURES: ReadonlyMap<string, HelpPicture> = new Map([
  ['start', { address: firstAnswer, text: 'The weights map beside four answers to one question.' }],
  ['map', { address: mixer, text: 'The mixer: a strip for each model above the map of weights.' }],
  ['recipe', { address: recipe, text: 'The recipe editor, with suggestions for the word that is being typed.' }],
  ['numbers', { address: models, text: 'The Models view: findings, a recommended start, and figures for each model.' }],
]);
