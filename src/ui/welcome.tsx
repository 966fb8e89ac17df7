/** The page before anything is open: one invitation. */

import IconFlask from '@tabler/icons-react/dist/esm/icons/IconFlask.mjs';
import { AddFiles } from './add-files.tsx';
import { CommandButton } from './command-button.tsx';
import { Refusals } from './refusals.tsx';
import { useStatus } from './use-status.ts';
import styles from './welcome.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function Welcome() {
  const { commands } = useWorkbench();
  const engine = useStudio((state) => state.engine);
  const { sentence, tone } = useStatus();
  return (
    <section aria-label="Checkpoints" className={styles.page}>
      <div className={styles.box}>
        <h2 className={styles.title}>Drop a base model and its fine-tunes here</h2>
        <p className={styles.text}>
          Fusewright weighs what each fine-tune changed, blends them into one model on your own machine, and lets you
          talk to the result before you save it. Nothing is uploaded.
        </p>
        <div className={styles.actions}>
          <CommandButton command={commands.openSamples} size="sm" icon={<IconFlask size={16} aria-hidden />} />
          <AddFiles />
        </div>
        <p className={styles.small}>
          Folders or files in safetensors form, with config and tokenizer beside them to chat.
        </p>
      </div>
      <p className={styles.status} role="status" data-tone={tone}>
        {tone === 'idle' ? (engine?.reason ?? 'Starting the engine.') : sentence}
      </p>
      <Refusals />
    </section>
  );
}
