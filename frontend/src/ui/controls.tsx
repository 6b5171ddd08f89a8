import * as Menu from "@radix-ui/react-dropdown-menu";
import * as RadixTooltip from "@radix-ui/react-tooltip";
import { type ComponentProps, type ReactNode, useEffect, useState } from "react";
import { Icon, type IconName } from "./icons";

type ButtonProps = ComponentProps<"button"> & {
  look?: "primary" | "plain" | "quiet" | "danger";
  size?: "icon" | "small" | "small-icon";
};

export function Button({ look = "plain", size, className, ...rest }: ButtonProps) {
  return <button type="button" {...rest} className={`button ${className ?? ""}`} data-look={look} data-size={size} />;
}

/** Says more about what is under the pointer or has the focus. */
export function Tooltip({ text, children }: { text: ReactNode; children: ReactNode }) {
  return (
    <RadixTooltip.Root>
      <RadixTooltip.Trigger asChild>{children}</RadixTooltip.Trigger>
      <RadixTooltip.Portal>
        <RadixTooltip.Content className="tooltip" sideOffset={6} collisionPadding={8}>
          {text}
        </RadixTooltip.Content>
      </RadixTooltip.Portal>
    </RadixTooltip.Root>
  );
}

/** A button that is only an icon: its label is what a screen reader says and what the tooltip shows. */
export function IconButton({ icon, label, size = "icon", ...rest }: ButtonProps & { icon: IconName; label: string }) {
  return (
    <Tooltip text={label}>
      <Button look="quiet" size={size} aria-label={label} {...rest}>
        <Icon name={icon} />
      </Button>
    </Tooltip>
  );
}

/** Copies a text and says so for two seconds. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <IconButton
      icon={copied ? "check" : "copy"}
      label={copied ? "Copied" : label}
      size="small-icon"
      onClick={() => {
        void copyText(text).then(() => setCopied(true));
      }}
    />
  );
}

async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // The clipboard interface exists on https and localhost only; a page opened by address needs the old way.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function CodeBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className="code">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} label={`Copy ${label}`} />
    </div>
  );
}

/** A menu under a button. Not modal: the modal one writes a style element, which the content policy forbids. */
export function DropMenu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger asChild>{trigger}</Menu.Trigger>
      <Menu.Portal>
        <Menu.Content className="menu" align="end" sideOffset={4} collisionPadding={8}>
          {children}
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

interface MenuItemProps {
  icon?: IconName;
  children: ReactNode;
  onSelect: () => void;
  danger?: boolean;
  disabled?: boolean;
  ticked?: boolean;
}

export function MenuItem({ icon, children, onSelect, danger, disabled = false, ticked }: MenuItemProps) {
  return (
    <Menu.Item className="menu-item" data-danger={danger || undefined} disabled={disabled} onSelect={onSelect}>
      {icon && <Icon name={icon} />}
      {children}
      {ticked && (
        <span className="tick">
          <Icon name="check" />
        </span>
      )}
    </Menu.Item>
  );
}
