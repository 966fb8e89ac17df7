/** What has to be chosen before the recipe can have the method that was picked: which models it blends. */

import { Button, Checkbox, Radio } from '@mantine/core';
import { useState } from 'react';
import type { SwitchQuestion } from '../state/method-switch.ts';
import styles from './method-panel.module.css';

interface MethodQuestionProps {
  readonly question: SwitchQuestion;
  readonly currentTitle: string;
  readonly onAnswer: (models: readonly string[]) => void;
  readonly onKeep: () => void;
}

export function MethodQuestion({ question, currentTitle, onAnswer, onKeep }: MethodQuestionProps) {
  const { method, sentence, candidates, proposed, least, most } = question;
  const [chosen, setChosen] = useState(proposed);
  const isAnswer = chosen.length >= least && chosen.length <= most;
  const canAnswer = candidates.length >= least;
  return (
    <div role="group" aria-label={`Models for ${method.title}`} className={styles.question}>
      <p role="status">
        {sentence} {canAnswer ? `Choose ${most === 1 ? 'which' : 'them'}.` : 'Open another checkpoint to use it.'}
      </p>
      {canAnswer &&
        candidates.map((name) =>
          most === 1 ? (
            <Radio
              key={name}
              name="method-model"
              label={name}
              value={name}
              checked={chosen.includes(name)}
              onChange={() => setChosen([name])}
            />
          ) : (
            <Checkbox
              key={name}
              label={name}
              checked={chosen.includes(name)}
              disabled={!chosen.includes(name) && chosen.length >= most}
              onChange={(event) => {
                const isIn = event.currentTarget.checked;
                // In the recipe's order, whatever the order of the clicks.
                setChosen(candidates.filter((own) => (own === name ? isIn : chosen.includes(own))));
              }}
            />
          ),
        )}
      <div className={styles.answers}>
        {canAnswer && (
          <Button variant="light" size="compact-xs" disabled={!isAnswer} onClick={() => onAnswer(chosen)}>
            Use {method.title}
          </Button>
        )}
        <Button variant="subtle" color="gray" size="compact-xs" onClick={onKeep}>
          Keep {currentTitle}
        </Button>
      </div>
    </div>
  );
}
