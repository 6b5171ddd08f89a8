import * as Radix from "@radix-ui/react-dialog";
import type { KeyboardEvent, ReactNode } from "react";
import { Button } from "./controls";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  className?: string;
  onKeyDown?: (event: KeyboardEvent) => void;
}

/**
 * A modal dialog: Radix keeps the focus inside and hides the rest from screen readers.
 *
 * Its own Overlay is left out: it locks scrolling by writing a style element, which the content policy forbids. A plain
 * scrim and one CSS rule on `html` do the same.
 */
export function Dialog({ open, onClose, title, children, className = "dialog", onKeyDown }: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <div className="scrim" />
        <Radix.Content
          className={className}
          aria-describedby={undefined}
          {...(onKeyDown && {
            onKeyDown,
            // Who listens to keys as a whole has the focus as a whole, not its first button.
            onOpenAutoFocus: (event: Event) => {
              event.preventDefault();
              (event.currentTarget as HTMLElement).focus();
            },
          })}
        >
          <Radix.Title asChild>
            <h2 className={className.startsWith("dialog") ? "" : "visually-hidden"}>{title}</h2>
          </Radix.Title>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmProps {
  open: boolean;
  title: string;
  text: ReactNode;
  keep: string;
  /** Null where there is nothing to be done after all. */
  act: string | null;
  onKeep: () => void;
  onAct: () => void;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ open, title, text, keep, act, onKeep, onAct }: ConfirmProps) {
  return (
    <Dialog open={open} onClose={onKeep} title={title}>
      <p className="muted">{text}</p>
      <div className="dialog-actions">
        <Button onClick={onKeep}>{keep}</Button>
        {act !== null && (
          <Button look="danger" onClick={onAct}>
            {act}
          </Button>
        )}
      </div>
    </Dialog>
  );
}
