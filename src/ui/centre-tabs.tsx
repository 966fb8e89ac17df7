/** The tabs over the centre and their panels: the mixer, and what the models changed. Only one is in front. */

import { type KeyboardEvent, type ReactNode, useLayoutEffect, useRef } from 'react';
import type { Centre } from '../state/view.ts';
import styles from './centre-tabs.module.css';
import { shortcutText } from './command-button.tsx';
import { useView, useWorkbench } from './workbench-context.ts';

const CENTRES: readonly Centre[] = ['mixer', 'models'];
const WORDS: Readonly<Record<Centre, string>> = { mixer: 'Mixer', models: 'Models' };

const tabId = (centre: Centre) => `centre-tab-${centre}`;
const panelId = (centre: Centre) => `centre-${centre}`;

export function CentreTabs() {
  const { view, commands } = useWorkbench();
  const shown = useView((state) => state.centre);
  const shortcuts = { mixer: commands.showMixer.shortcut, models: commands.showModels.shortcut };

  const onKeyDown = (event: KeyboardEvent) => {
    const here = CENTRES.indexOf(shown);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: CENTRES.length - 1 }[event.key];
    const next = to === undefined ? undefined : CENTRES.at(to % CENTRES.length);
    if (next === undefined) return;
    event.preventDefault();
    view.change({ centre: next });
    document.getElementById(tabId(next))?.focus();
  };

  return (
    <div role="tablist" aria-label="Centre" className={styles.tabs} tabIndex={-1} onKeyDown={onKeyDown}>
      {CENTRES.map((centre) => (
        <button
          key={centre}
          type="button"
          role="tab"
          id={tabId(centre)}
          className={styles.tab}
          aria-selected={centre === shown}
          aria-controls={panelId(centre)}
          tabIndex={centre === shown ? 0 : -1}
          title={shortcuts[centre] === null ? undefined : shortcutText(shortcuts[centre])}
          onClick={() => view.change({ centre })}
        >
          {WORDS[centre]}
        </button>
      ))}
    </div>
  );
}

/** What a tab shows. It stays mounted behind the other one, so that nothing that was typed or scrolled to is lost. */
export function CentrePanel(props: { centre: Centre; className: string | undefined; children: ReactNode }) {
  const { centre, className, children } = props;
  const isShown = useView((state) => state.centre === centre);
  const panel = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // What had the focus goes behind: the tab in front takes it, so that the keyboard does not begin from the top.
    if (!isShown && panel.current?.contains(document.activeElement)) {
      document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
    }
  }, [isShown]);
  return (
    <div
      ref={panel}
      role="tabpanel"
      id={panelId(centre)}
      aria-labelledby={tabId(centre)}
      className={className}
      hidden={!isShown}
    >
      {children}
    </div>
  );
}
