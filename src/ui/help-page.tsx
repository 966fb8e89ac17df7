/** The help: topics on the left, all of them one under another on the right. What it says is `state/help-topics.ts`. */

import { ActionIcon } from '@mantine/core';
import IconX from '@tabler/icons-react/dist/esm/icons/IconX.mjs';
import { useEffect, useMemo, useRef } from 'react';
import { type HelpBlock, type HelpRow, type HelpTopic, helpTopics } from '../state/help-topics.ts';
import { shortcutText } from './command-button.tsx';
import styles from './help-page.module.css';
import { HELP_PICTURES } from './help-pictures.ts';
import { ModalDialog } from './modal-dialog.tsx';
import { useView, useWorkbench } from './workbench-context.ts';

export function HelpPage() {
  const { commands, view } = useWorkbench();
  const topics = useMemo(() => helpTopics(commands), [commands]);
  const asked = useView((state) => state.helpTopic);
  const content = useRef<HTMLDivElement>(null);
  const show = (name: string | null) => {
    const heading = content.current?.querySelector<HTMLElement>(`[data-topic="${name ?? ''}"]`);
    heading?.scrollIntoView({ block: 'start' });
    heading?.focus({ preventScroll: true });
  };
  useEffect(() => {
    // After the dialog has opened and put the focus where it thinks it belongs.
    if (asked !== null) show(asked);
  }, [asked]);
  const close = () => view.change({ overlay: null, helpTopic: null });
  return (
    <ModalDialog label="Help" className={styles.dialog} onClose={close}>
      <div className={styles.page}>
        <header className={styles.head}>
          <h2>Help</h2>
          <ActionIcon variant="subtle" color="gray" aria-label="Close the help" onClick={close}>
            <IconX size={17} aria-hidden />
          </ActionIcon>
        </header>
        <nav className={styles.topics} aria-label="Topics">
          <ul>
            {topics.map(({ name, title }) => (
              <li key={name}>
                <button type="button" onClick={() => show(name)}>
                  {title}
                </button>
              </li>
            ))}
          </ul>
        </nav>
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must be reachable by keyboard */}
        <div ref={content} className={styles.content} role="region" aria-label="Explanations" tabIndex={0}>
          {topics.map((topic) => (
            <Topic key={topic.name} topic={topic} />
          ))}
        </div>
      </div>
    </ModalDialog>
  );
}

function Topic({ topic }: { topic: HelpTopic }) {
  const id = `help-${topic.name}`;
  const picture = HELP_PICTURES.get(topic.name);
  return (
    <section className={styles.topic} aria-labelledby={id}>
      <h3 id={id} data-topic={topic.name} tabIndex={-1}>
        {topic.title}
      </h3>
      {topic.blocks.map((block, index) => (
        // The blocks of a topic never change their order.
        <Block key={`${index}`} block={block} />
      ))}
      {picture && (
        <img
          className={styles.picture}
          src={picture.address}
          alt={picture.text}
          width={1280}
          height={800}
          loading="lazy"
        />
      )}
    </section>
  );
}

function Block({ block: { title, paragraphs, rows, code } }: { block: HelpBlock }) {
  return (
    <div className={styles.block}>
      {title !== null && <h4>{title}</h4>}
      {paragraphs.map((text) => (
        <p key={text}>{text}</p>
      ))}
      {code !== null && <pre className={styles.code}>{code}</pre>}
      {rows.length > 0 && (
        <dl className={styles.rows} data-kind={rows[0]?.kind}>
          {rows.map((row) => (
            <div key={row.term}>
              <dt>
                <Term row={row} />
              </dt>
              <dd>{row.text}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function Term({ row: { term, kind } }: { row: HelpRow }) {
  if (kind === 'code') return <code>{term}</code>;
  return kind === 'keys' ? <kbd>{shortcutText(term)}</kbd> : term;
}
