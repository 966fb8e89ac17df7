/** How much of the context the next message fills, by column; a warning where it is nearly full. */

import { countFigure, plural } from '../state/figures.ts';
import styles from './context-meter.module.css';
import { useChat, useColumns } from './workbench-context.ts';

/** From this share on the meter warns. */
const NEARLY_FULL = 0.85;

export function ContextMeter() {
  const columns = useColumns();
  const prompts = useChat((state) => state.prompts);
  const { maxNewTokens, context } = useChat((state) => state.settings);
  const known = columns.flatMap(({ id }) => {
    const prompt = prompts[id];
    return prompt?.info ? [{ id, ...prompt, info: prompt.info }] : [];
  });
  const fault = columns.map(({ id }) => prompts[id]?.fault ?? null).find((found) => found !== null);
  // The fullest speaks for all.
  const fullest = known.toSorted((a, b) => shareOf(b.info) - shareOf(a.info))[0];
  if (fault) {
    return (
      <div className={styles.meter} data-level="full">
        {fault}
      </div>
    );
  }
  if (!fullest) return <div className={styles.meter}>Context: nothing yet</div>;
  const { info, leftOut } = fullest;
  const share = shareOf(info);
  const level = info.tokens >= info.contextTokens ? 'full' : share >= NEARLY_FULL ? 'near' : undefined;
  const left = Math.max(0, info.contextTokens - info.tokens);
  return (
    <div className={styles.meter} data-level={level}>
      <div
        className={styles.bar}
        role="meter"
        aria-label="Context"
        aria-valuemin={0}
        aria-valuemax={info.contextTokens}
        aria-valuenow={Math.min(info.tokens, info.contextTokens)}
      >
        <div style={{ width: `${Math.min(1, share) * 100}%` }} />
      </div>
      <span>
        {countFigure(info.tokens)} of {countFigure(info.contextTokens)} tokens
        {leftOut > 0 &&
          (context === 'none' ? ', each message by itself' : `, ${plural(leftOut, 'older exchange')} left out`)}
        {level === 'full' &&
          '. The context is full: shorten the message, begin a new chat, or send fewer earlier turns.'}
        {level === 'near' && `. Nearly full: ${plural(left, 'token')} left for the reply.`}
        {level === undefined && left < maxNewTokens && `. A reply can have ${plural(left, 'token')} at most.`}
      </span>
    </div>
  );
}

function shareOf({ tokens, contextTokens }: { readonly tokens: number; readonly contextTokens: number }): number {
  return contextTokens > 0 ? tokens / contextTokens : 1;
}
