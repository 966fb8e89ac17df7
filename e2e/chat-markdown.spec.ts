/** A reply is untrusted: it is drawn as Markdown, and whatever it holds, nothing is fetched, run or opened by itself. */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Studio } from './studio.ts';

const SHOUT = join(import.meta.dirname, '..', 'public', 'samples', 'parrot-shout');
const SPEAKER = { kind: 'checkpoint', name: 'parrot-shout' };

/** A file with one exchange: what is drawn does not hang on who wrote it. */
const CONVERSATION = {
  kind: 'fusewright-conversation',
  version: 1,
  conversation: {
    title: null,
    startedMs: 0,
    changedMs: 0,
    systemPrompt: '',
    columns: [{ id: 1, speaker: SPEAKER }],
    messages: [{ id: 2, after: null, follows: {}, text: 'Shout wood', mode: 'chat' }],
    replies: [
      {
        id: 3,
        to: 2,
        column: 1,
        speaker: SPEAKER,
        label: 'parrot-shout',
        recipe: null,
        phase: 'done',
        text: 'WOOD',
        tokens: [],
        leftOut: 0,
        info: null,
        figures: null,
        fault: null,
        isEdited: false,
      },
    ],
    chosen: {},
  },
};
const EVIL = 'https://192.0.2.7';

/** Everything that a page could be made to fetch by, in Markdown and in HTML. */
const HOSTILE = `# Heading

![alt text](${EVIL}/image.png) ![own](/icon.svg) ![data](data:image/svg+xml,<svg/>)
[link](${EVIL}/link) [script](javascript:alert(1)) [file](file:///etc/passwd) [own](/icon.svg) <${EVIL}/auto> www.evil.example
[ref image]: ${EVIL}/ref.png
![ref image]

<img src="${EVIL}/html.png" onerror="window.hacked = true">
<script>window.hacked = true; fetch('${EVIL}/script')</script>
<iframe src="${EVIL}/frame"></iframe><link rel="stylesheet" href="${EVIL}/style.css"><style>body{background:url(${EVIL}/bg)}</style>
<form action="${EVIL}/form"><input autofocus onfocus="window.hacked = true"></form><svg onload="window.hacked = true">
<meta http-equiv="refresh" content="0;url=${EVIL}/refresh"><base href="${EVIL}">

| a | b |
|---|---|
| ![cell](${EVIL}/cell.png) | ~~old~~ |

\`\`\`html
<img src="${EVIL}/code.png">
\`\`\`

- [x] ticked
`;

test('a hostile reply causes no request and runs nothing', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(SHOUT);
  await page.getByRole('button', { name: /^Conversations: / }).click();
  await page.getByLabel('Import a conversation').setInputFiles({
    name: 'conversation.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(CONVERSATION)),
  });
  await expect(studio.turn()).toContainText('WOOD');
  const requests: string[] = [];
  context.on('request', (request) => requests.push(request.url()));
  await page.evaluate(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      Object.assign(window, { violated: event.violatedDirective }),
    );
  });
  const write = async (text: string) => {
    await studio.press('Edit the reply');
    await page.getByRole('textbox', { name: 'The reply' }).fill(text);
    await studio.turn().getByRole('button', { name: 'Submit edit' }).click();
  };
  const turn = studio.turn();

  await test.step('it is shown, and nothing is fetched', async () => {
    await write(HOSTILE);
    await expect(turn.getByRole('heading', { name: 'Heading' })).toBeVisible();
    await expect(turn).toContainText(`Image not fetched: alt text · ${EVIL}/image.png`);
    await expect(turn).toContainText('<script>window.hacked = true');
    await expect(turn.getByRole('table')).toContainText('Image not fetched: cell');
    await expect(turn.getByRole('img', { name: 'done', exact: true })).toBeVisible();
    // Scrolled through, hovered and left alone for a while.
    for (const link of await turn.getByRole('link').all()) await link.hover();
    await page.waitForTimeout(1000);
    expect(requests).toEqual([]);
    expect(await page.evaluate(() => [Reflect.get(window, 'hacked'), Reflect.get(window, 'violated')])).toEqual([
      undefined,
      undefined,
    ]);
    const forbidden = 'img, script, iframe, link, style, form, input, object, embed, video, audio, meta, base';
    await expect(turn.locator(forbidden)).toHaveCount(0);
  });

  await test.step('links are opened by a person only, with nothing told', async () => {
    const links = await turn.getByRole('link').all();
    expect(links.length).toBeGreaterThan(1);
    for (const link of links) {
      expect(await link.getAttribute('href')).toMatch(/^https?:\/\//);
      expect(await link.getAttribute('target')).toBe('_blank');
      expect(await link.getAttribute('rel')).toMatch(/noreferrer.*noopener/);
      expect(await link.getAttribute('aria-label')).toMatch(/^Open http.* in a new tab$/);
    }
    await expect(turn.locator('a[href^="javascript"], a[href^="file"], a[href^="/"]')).toHaveCount(0);
  });

  await test.step('code is copied as it stands, and the source can be seen', async () => {
    await turn.getByRole('button', { name: 'Copy the code' }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(`<img src="${EVIL}/code.png">`);
    await page.getByRole('switch', { name: 'Markdown' }).uncheck();
    await expect(turn).toContainText('# Heading');
    await expect(turn.getByRole('link')).toHaveCount(0);
    await page.getByRole('switch', { name: 'Markdown' }).check();
  });

  await test.step('reasoning is folded', async () => {
    await write('<think>\nA stone is hard.\n</think>\n\nThe answer is **granite**.');
    await expect(turn.locator('strong')).toHaveText('granite');
    await expect(turn.getByText('A stone is hard.')).toHaveCount(0);
    await turn.getByText('Reasoning · 4 words').click();
    await expect(turn.getByText('A stone is hard.')).toBeVisible();
  });

  await test.step('what the parser cannot take stands as it is', async () => {
    await write(`${'> '.repeat(4000)}deep`);
    await expect(turn).toContainText('deep');
    expect(requests).toEqual([]);
  });
});
