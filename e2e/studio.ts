/**
 * Studio: the page as a person (or somebody's script) drives it, by roles and accessible names alone. Not a place for
 * expectations about numbers; those are the specs'.
 */

import { type Download, expect, type Locator, type Page } from '@playwright/test';

/** SwiftShader compiles dozens of kernels before the first two tokens of a chat: 80 s at a load of 19 on two cores. */
const FIRST_REPLY_MS = 300_000;

/** Measuring, merging and saving end long before this, also on a machine that does ten other things. */
const WORK_MS = 300_000;

/** The recipe follows an edit at once; this is for a page that does not get to run. */
const READ_MS = 60_000;

export class Studio {
  readonly checkpoints: Locator;
  readonly method: Locator;
  /** What the page says of the merge that was saved last. */
  readonly audit: Locator;
  readonly map: Locator;
  readonly status: Locator;
  readonly recipe: Locator;
  readonly talkTo: Locator;
  readonly message: Locator;
  readonly log: Locator;
  /** The newest blend that the status line has told of since the page was loaded: later it tells of other things. */
  #newestBlend = 0;

  constructor(readonly page: Page) {
    page.on('domcontentloaded', () => {
      this.#newestBlend = 0;
    });
    this.checkpoints = page.getByRole('region', { name: 'Checkpoints' });
    this.method = page.getByRole('combobox', { name: 'Method' });
    this.audit = page.getByRole('region', { name: /^Audit/ });
    this.map = page.getByRole('grid', { name: 'Weights map' });
    this.status = page.getByRole('status');
    this.recipe = page.getByRole('textbox', { name: 'Recipe' });
    this.talkTo = page.getByRole('combobox', { name: 'Talk to' });
    this.message = page.getByRole('textbox', { name: 'Message' });
    this.log = page.getByRole('log', { name: 'Chat' });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  slider(name: string): Locator {
    return this.page.getByRole('slider', { name, exact: true });
  }

  /** The number field beside a slider. */
  field(name: string): Locator {
    return this.page.getByRole('spinbutton', { name: `${name} value`, exact: true });
  }

  combobox(name: string): Locator {
    return this.page.getByRole('combobox', { name, exact: true });
  }

  checkpoint(name: string): Locator {
    return this.checkpoints.getByRole('group', { name, exact: true });
  }

  /** The names of the open checkpoints, in the order of the page. */
  async names(): Promise<string[]> {
    const groups = this.checkpoints.getByRole('group');
    return groups.evaluateAll((all) => all.map((group) => group.getAttribute('aria-label') ?? ''));
  }

  /** Picks a method; where it takes other models than the recipe has, takes those that are proposed. */
  async chooseMethod(name: string): Promise<void> {
    await this.method.selectOption(name);
    const answer = this.page.getByRole('group', { name: /^Models for / }).getByRole('button', { name: /^Use / });
    const wanted = new RegExp(`^merge_method: ${name}$`, 'm');
    // One of the two comes of it; which one says the page.
    await expect(async () => {
      expect((await answer.count()) > 0 || wanted.test(await this.#shownRecipe())).toBe(true);
    }).toPass({ timeout: READ_MS });
    if ((await answer.count()) > 0) await answer.click();
    await this.expectRecipe(wanted);
  }

  /** A cell of the map, by row, column and model. */
  cell(row: string, column: string, model: string): Locator {
    return this.map.getByRole('gridcell', { name: new RegExp(`^${escaped(`${row} ${column} ${model}:`)}`) });
  }

  /** Opens the page and waits until the engine says where it runs. */
  async visit(): Promise<void> {
    await this.page.goto('/');
    await expect(this.status).toContainText(/WebGPU|CPU/);
  }

  /**
   * Opens the samples and nothing more, by the address that people link to. The button on the empty page also merges
   * them and asks a question, which is another story (`first-question.spec.ts`).
   */
  async openSamples(): Promise<void> {
    await this.page.evaluate(() => {
      location.hash = '#samples';
    });
    await expect(this.checkpoints.getByRole('group')).toHaveCount(4);
    await this.measured();
  }

  /** Waits for the weights map, for which everything has to be read once. */
  async measured(): Promise<void> {
    await expect(this.map).toBeVisible({ timeout: WORK_MS });
  }

  /** Finds a command in the palette by some of its words, and runs it: by keyboard alone. */
  async runCommand(words: string): Promise<void> {
    await this.page.keyboard.press('ControlOrMeta+k');
    await expect(this.combobox('Find a command')).toBeFocused();
    await this.page.keyboard.type(words);
    await this.page.keyboard.press('Enter');
    await expect(this.combobox('Find a command')).toBeHidden();
  }

  /** Picks files one by one, or several at once, without their folders. */
  async addFiles(...paths: readonly string[]): Promise<void> {
    await this.page.getByLabel('Add checkpoints').setInputFiles(paths);
  }

  async addFolder(path: string): Promise<void> {
    await this.page.getByLabel('Add a folder').setInputFiles(path);
  }

  /** Presses Merge and waits until it is done; gives the new blend's number. */
  async merge(): Promise<number> {
    const before = await this.blendNumber();
    await this.button('Merge').click();
    return this.blendAfter(before);
  }

  /** Waits for a blend newer than `before`; gives its number. */
  async blendAfter(before: number): Promise<number> {
    await expect.poll(() => this.blendNumber(), { timeout: WORK_MS }).toBeGreaterThan(before);
    return this.blendNumber();
  }

  /** The number of the newest blend that the status line tells of, or was seen to have told of; 0 where it was none. */
  async blendNumber(): Promise<number> {
    const told = /\(blend (\d+),/.exec(await this.status.innerText())?.[1];
    if (told !== undefined) this.#newestBlend = Number(told);
    return this.#newestBlend;
  }

  /** The text of the recipe, read off the editor's lines as soon as it shows all of them. */
  async recipeText(): Promise<string> {
    let text = '';
    await expect(async () => {
      text = await this.#shownRecipe();
    }).toPass({ timeout: READ_MS });
    return text;
  }

  /** What the editor shows now. Rejects where that is not all of it. */
  #shownRecipe(): Promise<string> {
    return this.recipe.evaluate((element) => {
      // A plain field until the editor has been loaded.
      if (element instanceof HTMLTextAreaElement) return element.value;
      const lines = [...element.children];
      const isWhole = lines.every(
        (line) => line.matches('.cm-line') && line.querySelector('.cm-foldPlaceholder') === null,
      );
      if (!isWhole) throw new Error('the editor does not show every line of the recipe');
      return lines.map((line) => line.textContent ?? '').join('\n');
    });
  }

  /** Waits until the recipe is a text, or matches. */
  async expectRecipe(wanted: string | RegExp): Promise<void> {
    // A failure to read is a reason to look again, which it is not for `expect.poll`.
    await expect(async () => {
      const text = expect(await this.#shownRecipe());
      if (typeof wanted === 'string') text.toBe(wanted);
      else text.toMatch(wanted);
    }).toPass({ timeout: READ_MS });
  }

  /** Waits until the recipe is another text, or does not match any more. */
  async expectRecipeWithout(unwanted: string | RegExp): Promise<void> {
    await expect(async () => {
      const text = expect(await this.#shownRecipe()).not;
      if (typeof unwanted === 'string') text.toBe(unwanted);
      else text.toMatch(unwanted);
    }).toPass({ timeout: READ_MS });
  }

  /** Replaces the whole recipe, as a person who pastes one does. */
  async writeRecipe(text: string): Promise<void> {
    // Once more where the plain field gave way to the editor in between.
    await expect(async () => {
      await this.recipe.fill(text);
      await expect(async () => expect(await this.#shownRecipe()).toBe(text)).toPass({ timeout: READ_MS / 6 });
    }).toPass({ timeout: READ_MS });
  }

  /** Types a weight onto a cell of the map, as a person does who sees a field open at the first figure, and sets it. */
  async typeOnto(cell: Locator, figures: string): Promise<void> {
    const field = this.page.getByRole('textbox', { name: /^Weight of (the cell|\d+ cells)$/ });
    await expect(async () => {
      await cell.focus();
      await this.page.keyboard.press(figures.charAt(0));
      await expect(field).toBeFocused({ timeout: READ_MS / 6 });
    }).toPass({ timeout: READ_MS });
    await this.page.keyboard.type(figures.slice(1));
    await expect(field).toHaveValue(figures);
    await this.page.keyboard.press('Enter');
  }

  /** Sends a message and waits for the whole reply; gives what the log shows for this turn, line by line. */
  async say(prompt: string): Promise<string[]> {
    const turns = this.log.locator(':scope > *');
    const before = await turns.count();
    await this.message.fill(prompt);
    await this.button('Send').click();
    await expect(turns).toHaveCount(before + 1);
    await this.replied();
    return this.lastTurn();
  }

  /** Waits until no reply is on its way and the newest turn has its figures. */
  async replied(): Promise<void> {
    await expect(this.log).toHaveAttribute('aria-busy', 'false', { timeout: FIRST_REPLY_MS });
    await expect(
      this.turn()
        .getByText(/tokens\/s/)
        .first(),
    ).toBeVisible();
  }

  /** Adds a column to the chat. */
  async compareWith(name: string): Promise<void> {
    await this.combobox('Compare with').selectOption({ label: name });
  }

  /** What one column's newest reply shows, where there are several columns. */
  column(name: string): Locator {
    return this.turn().getByRole('group', { name, exact: true });
  }

  /** The newest turn of the conversation. */
  turn(): Locator {
    return this.log.locator(':scope > *').last();
  }

  /** Presses a button that stands with what the person wrote, or with a reply, in the newest turn. */
  async press(name: string): Promise<void> {
    const turn = this.turn();
    await turn.hover();
    await turn.getByRole('button', { name, exact: true }).click();
  }

  /** The paragraphs of the newest turn: in a chat the prompt, the reply and its figures. */
  async lastTurn(): Promise<string[]> {
    return this.turn().getByRole('paragraph').allInnerTexts();
  }

  /**
   * Saves as a zip and waits for the download. Without the choice it would be one, too: headless Chromium has no folder
   * dialog. But where the machine is busy the page hears of that as late as of somebody's Cancel.
   */
  async save(): Promise<Download> {
    await this.combobox('Save as').selectOption('zip');
    const [download] = await Promise.all([
      this.page.waitForEvent('download', { timeout: WORK_MS }),
      this.button('Save').click(),
    ]);
    return download;
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
