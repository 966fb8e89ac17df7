/** The page before anything is open: one invitation, what to bring, and where it all runs. */

import { Progress } from '@mantine/core';
import IconFileDownload from '@tabler/icons-react/dist/esm/icons/IconFileDownload.mjs';
import IconFlask from '@tabler/icons-react/dist/esm/icons/IconFlask.mjs';
import IconLock from '@tabler/icons-react/dist/esm/icons/IconLock.mjs';
import { AddFiles } from './add-files.tsx';
import { CommandButton } from './command-button.tsx';
import { Refusals } from './refusals.tsx';
import { useStatus } from './use-status.ts';
import { WelcomeBack } from './welcome-back.tsx';
import { WelcomePicture } from './welcome-picture.tsx';
import styles from './welcome.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function Welcome() {
  const { commands } = useWorkbench();
  const engine = useStudio((state) => state.engine);
  const { sentence, tone, fraction } = useStatus();
  // What was refused stands above with its remedy, and is said there.
  const isSaidAbove = useStudio((state) => state.refusals.length > 0 && state.fault === null) && tone === 'bad';
  const isQuiet = tone === 'idle' || isSaidAbove;
  return (
    <section aria-label="Checkpoints" className={styles.page}>
      <WelcomeBack />
      <div className={styles.hero}>
        <div className={styles.words}>
          <h2 className={styles.title}>Blend language models, and talk to the result</h2>
          <p className={styles.text}>
            Fusewright weighs what each fine-tune changed, merges them into one model on your own machine, and lets you
            chat with it before you save it.
          </p>
          <div className={styles.start}>
            <CommandButton command={commands.openSamples} size="md" icon={<IconFlask size={18} aria-hidden />} />
            <p className={styles.small}>Four small chat models, 6.5 MB: merged and asked a question at once.</p>
          </div>
        </div>
        <WelcomePicture />
      </div>
      <div className={styles.drop}>
        <h3>Drop a base model and its fine-tunes here</h3>
        <p className={styles.small}>
          Folders, or safetensors files. Bring config and tokenizer along to chat with them.
        </p>
        <AddFiles />
      </div>
      <Refusals />
      {/* The engine's sentence, and what is under way in its place: one line that keeps its room. */}
      <div className={styles.standing}>
        <p className={styles.status} role="status" data-tone={isQuiet ? 'idle' : tone}>
          {isQuiet ? (engine?.reason ?? 'Starting the engine.') : sentence}
        </p>
        <Progress
          aria-label="Done"
          size={3}
          radius={2}
          value={tone === 'busy' ? (fraction ?? 1) * 100 : 0}
          animated={tone === 'busy' && fraction === null}
          className={styles.progress ?? ''}
          data-idle={tone !== 'busy' || undefined}
        />
      </div>
      <ul className={styles.facts}>
        <li>
          <IconLock size={16} aria-hidden />
          <span>Nothing is uploaded: files are read and merged in this browser.</span>
        </li>
        <li>
          <IconFileDownload size={16} aria-hidden />
          <span>It ends as safetensors or ONNX, with tokenizer, recipe and model card.</span>
        </li>
      </ul>
    </section>
  );
}
