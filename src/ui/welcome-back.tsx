/** On the welcome page: what was left on another visit, and the way back to it. */

import { Button } from '@mantine/core';
import { useState } from 'react';
import { listed } from '../recipe/parameter-value.ts';
import { agoPhrase, leftSentence } from '../state/left-work.ts';
import styles from './welcome-back.module.css';
import { useWorkbench, useWorkspace } from './workbench-context.ts';

const MOST_NAMED = 6;

export function WelcomeBack() {
  const { workspace, commands, surroundings } = useWorkbench();
  const { phase, left, toDrop, canGoOn, isForgotten, isDenied } = useWorkspace((state) => state);
  const [nowMs] = useState(() => Date.now());
  // The place is kept while the browser looks, so that nothing moves when it has found what it told of.
  if (phase === 'looking' && surroundings.visit?.hint.read()) return <div className={styles.box} data-empty />;
  if (left === null || (phase !== 'offered' && phase !== 'opening')) return null;
  const isOpening = phase === 'opening';
  const names = toDrop.length > MOST_NAMED ? `${listed(toDrop.slice(0, MOST_NAMED), 'and')} …` : listed(toDrop);
  return (
    <section className={styles.box} aria-label="What you left">
      <div className={styles.words}>
        <h2 className={styles.title}>{isForgotten ? 'Forgotten' : 'Go on where you left'}</h2>
        <p className={styles.text}>
          {leftSentence(left)}, changed {agoPhrase(left.changedMs, nowMs)}.
        </p>
        {toDrop.length > 0 && (
          <p className={styles.text}>
            {canGoOn ? 'Some files ' : 'The files '}
            cannot be found by the browser alone. Drop or add them again, and the recipe comes back: {names}.
          </p>
        )}
        {isDenied && (
          <p className={styles.text}>
            The browser may not read the files. Press the button again and allow it, or drop the files again.
          </p>
        )}
      </div>
      <div className={styles.actions}>
        {canGoOn && (
          <Button size="compact-sm" variant="filled" disabled={isOpening} onClick={() => void workspace.goOn()}>
            {isForgotten ? 'Bring it back' : 'Go on'}
          </Button>
        )}
        {!isForgotten && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            disabled={isOpening}
            onClick={() => void commands.forgetWorkspace.perform()}
          >
            {commands.forgetWorkspace.label}
          </Button>
        )}
      </div>
    </section>
  );
}
