/**
 * Icons: draws `public/icon.svg` as the PNG files that operating systems want for an installed page. Run by hand after
 * the icon has changed: `node tools/icons.mjs`. The PNG files are committed.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { CHROMIUM_FLAGS, obtainChromium } from './chromium.mjs';
import { ROOT } from './install.mjs';

/** The icon's own ground: a maskable icon is cut to any shape and has to reach every edge. */
const GROUND = '#0e5a53';

/** What is drawn, and which share of the width the drawing takes: a mask may cut away a tenth on every side. */
const ICONS = [
  { file: 'icon-192.png', size: 192, share: 1, ground: 'transparent' },
  { file: 'icon-512.png', size: 512, share: 1, ground: 'transparent' },
  { file: 'icon-maskable-512.png', size: 512, share: 0.8, ground: GROUND },
];

const svg = readFileSync(join(ROOT, 'public', 'icon.svg'), 'utf8');
const browser = await chromium.launch({ executablePath: await obtainChromium(), args: CHROMIUM_FLAGS });
try {
  const page = await browser.newPage();
  for (const { file, size, share, ground } of ICONS) {
    await page.setViewportSize({ width: size, height: size });
    await page.setContent(
      `<style>*{margin:0}body{display:grid;place-items:center;height:${size}px;background:${ground}}svg{width:${size * share}px}</style>${svg}`,
    );
    writeFileSync(join(ROOT, 'public', file), await page.screenshot({ omitBackground: true }));
    console.log(file);
  }
} finally {
  await browser.close();
}
