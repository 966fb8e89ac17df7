/** Perplexity: how well each of the models foresees a pasted text, in figures and on the text itself. */

import { Button, Checkbox, NativeSelect } from '@mantine/core';
import { memo, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { type SpeakerChoice, speakerChoices, speakerKey } from '../state/chat-store.ts';
import type { TextScore } from '../state/engine-api.ts';
import { countFigure } from '../state/figures.ts';
import { MAX_SCORED_CHARS, type PerplexityRow, scoredSpeakers } from '../state/perplexity.ts';
import { GrowingTextarea } from './growing-textarea.tsx';
import tables from './figure-table.module.css';
import styles from './perplexity-panel.module.css';
import { probabilityFigure } from './probability-figure.ts';
import { levelOf, TokenLegend } from './token-text.tsx';
import tokenStyles from './token-text.module.css';
import { useChat, useStudio, useWorkbench } from './workbench-context.ts';

export function PerplexityPanel() {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={styles.panel} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Perplexity of a text</summary>
      {isOpen && <PerplexityBody />}
    </details>
  );
}

function PerplexityBody() {
  const { perplexity } = useWorkbench();
  const state = useStore(perplexity.store, (own) => own);
  const studioState = useStudio((own) => own);
  const blends = useChat((own) => own.blends);
  const choices = useMemo(() => speakerChoices(studioState, blends), [studioState, blends]);
  const asked = scoredSpeakers(state, choices);
  const { text, rows, isRunning, scoredText } = state;
  return (
    <section className={styles.body} aria-label="Perplexity">
      <GrowingTextarea
        label="Text to foresee"
        minRows={3}
        maxRows={10}
        maxLength={MAX_SCORED_CHARS}
        placeholder="Paste a text that the models should be good at."
        value={text}
        onChange={(event) => perplexity.setText(event.currentTarget.value)}
      />
      <div role="group" aria-label="Models to ask" className={styles.models}>
        {choices.map((choice) => (
          <Checkbox
            key={speakerKey(choice.speaker)}
            label={choice.label}
            title={choice.obstacle ?? undefined}
            disabled={choice.obstacle !== null || isRunning}
            checked={asked.includes(choice)}
            onChange={(event) => perplexity.include(choice.speaker, event.currentTarget.checked)}
          />
        ))}
      </div>
      <div className={styles.buttons}>
        <Button
          variant="default"
          disabled={isRunning || text.trim() === '' || asked.length === 0}
          onClick={() => void perplexity.start()}
        >
          Compute perplexity
        </Button>
        {isRunning && (
          <Button variant="subtle" onClick={() => void perplexity.stop()}>
            End
          </Button>
        )}
        <span className={styles.note}>Less is better. Bits per byte can be compared between tokenizers.</span>
      </div>
      {rows.length > 0 && (
        <>
          <Table rows={rows} />
          {scoredText !== text && <div className={styles.note}>The text has changed since.</div>}
          <Heat rows={rows} choices={choices} />
        </>
      )}
    </section>
  );
}

function Table({ rows }: { rows: readonly PerplexityRow[] }) {
  const best = Math.min(...rows.map(({ score }) => score?.bitsPerByte ?? Number.POSITIVE_INFINITY));
  return (
    <table className={`${tables.table} ${styles.table}`} aria-label="Perplexity by model" aria-busy={rows.some(isOpen)}>
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col">Perplexity</th>
          <th scope="col">Bits per byte</th>
          <th scope="col">Tokens</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={speakerKey(row.speaker)} data-best={row.score?.bitsPerByte === best || undefined}>
            <th scope="row">{row.blend === null ? row.label : `${row.label}, blend ${row.blend}`}</th>
            {row.score ? (
              <>
                <td>{figure(row.score.perplexity)}</td>
                <td>{figure(row.score.bitsPerByte)}</td>
                <td>{countFigure(row.score.tokens)}</td>
              </>
            ) : (
              <td colSpan={3} className={row.fault ? styles.fault : styles.wait}>
                {row.fault ? row.fault.message : waitWords(row)}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isOpen({ phase }: PerplexityRow): boolean {
  return phase === 'waiting' || phase === 'running';
}

function waitWords({ phase, tokensDone, tokens }: PerplexityRow): string {
  if (phase !== 'running') return 'waits for its turn';
  return tokens === 0 ? 'loading' : `${countFigure(tokensDone)} of ${countFigure(tokens)} tokens`;
}

/** Four significant digits. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '∞';
  // More digits than there are known would be shown.
  if (value >= 1e9) return value.toExponential(3).replace('e+', 'e');
  return value >= 1000 ? countFigure(value) : value.toPrecision(4);
}

/** The text as one model reads it, tinted by how likely it found each token. */
function Heat({ rows, choices }: { rows: readonly PerplexityRow[]; choices: readonly SpeakerChoice[] }) {
  const [chosen, setChosen] = useState('');
  const scored = rows.filter(({ score }) => score !== null);
  const row = scored.find(({ speaker }) => speakerKey(speaker) === chosen);
  const isOffered = choices.length > 0 && scored.length > 0;
  return (
    <>
      <NativeSelect
        label="Show on the text"
        value={row ? chosen : ''}
        disabled={!isOffered}
        onChange={(event) => setChosen(event.currentTarget.value)}
        data={[
          { value: '', label: 'nothing' },
          ...scored.map(({ speaker, label }) => ({ value: speakerKey(speaker), label })),
        ]}
      />
      {row?.score && (
        <>
          <TokenLegend />
          <Pieces score={row.score} label={row.label} />
        </>
      )}
    </>
  );
}

/** So many of a text's tokens are shown; the figures are of all of them. */
const MAX_PIECES = 4000;

const Pieces = memo(function Pieces({ score, label }: { score: TextScore; label: string }) {
  const shown = score.pieces.slice(0, MAX_PIECES);
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must be reachable by keyboard
    <div className={styles.heat} role="group" aria-label={`The text as ${label} foresees it`} tabIndex={0}>
      {shown.map(({ text, logProbability }, index) => {
        const probability = logProbability === null ? null : Math.exp(logProbability);
        return (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
            key={index}
            className={tokenStyles.token}
            data-level={probability === null ? 0 : levelOf(probability)}
            title={probability === null ? 'the first token is not foreseen' : probabilityFigure(probability)}
          >
            {text}
          </span>
        );
      })}
      {score.pieces.length > MAX_PIECES && ' …'}
    </div>
  );
});
