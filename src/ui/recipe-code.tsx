/** The recipe's text in a code editor. A chunk of its own: nothing on the page waits for it. */

import { useEffectEvent, useLayoutEffect, useRef } from 'react';
import { createRecipeCodeView, type RecipeCodeNames } from './recipe-code-view.ts';
import styles from './recipe-editor.module.css';
import { useWorkbench } from './workbench-context.ts';

/** What a person was doing in the plain field that stood here while the editor was loaded. */
export interface FieldFocus {
  readonly from: number;
  readonly to: number;
}

export function RecipeCode({ names, takeFocus }: { names: RecipeCodeNames; takeFocus: () => FieldFocus | null }) {
  const { studio, commands } = useWorkbench();
  const parent = useRef<HTMLDivElement>(null);
  const { label, describedBy } = names;
  const focusOf = useEffectEvent(takeFocus);
  useLayoutEffect(() => {
    if (!parent.current) return undefined;
    const own = createRecipeCodeView(parent.current, studio, Object.values(commands), { label, describedBy });
    const focus = focusOf();
    if (focus) {
      const end = own.view.state.doc.length;
      own.view.dispatch({ selection: { anchor: Math.min(focus.from, end), head: Math.min(focus.to, end) } });
      own.view.focus();
    }
    return own.destroy;
  }, [studio, commands, label, describedBy]);
  return <div ref={parent} className={styles.code} />;
}
