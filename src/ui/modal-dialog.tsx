/** A dialog over the page, the browser's own: it keeps the focus, Escape closes it, and the focus goes back where it was. */

import { type ReactNode, useEffect, useRef } from 'react';
import styles from './modal-dialog.module.css';

interface ModalDialogProps {
  readonly label: string;
  readonly className?: string | undefined;
  /** Called once when it is closed, whoever closed it. */
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function ModalDialog({ label, className, onClose, children }: ModalDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const own = dialog.current;
    // The focus goes back to what had it before the dialog was open; the browser does that where it is closed, and not
    // where it is taken out of the page.
    const before = document.activeElement;
    own?.showModal();
    return () => {
      own?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    // A click beside it is for the mouse; Escape does the same.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={dialog}
      aria-label={label}
      className={className === undefined ? styles.dialog : `${styles.dialog} ${className}`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      {children}
    </dialog>
  );
}
