import { type ReactNode, useId } from "react";
import type { Field } from "../../jobs/payload-form";

interface FieldInputProps {
  field: Field;
  value: string | boolean | undefined;
  error: string | undefined;
  onChange: (value: string | boolean) => void;
}

/** One input with its label, help, limits and error. */
export function FieldInput({ field, value, error, onChange }: FieldInputProps) {
  const id = useId();
  const help = [field.help && sentence(field.help), limits(field)].filter(Boolean).join(" ");
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  const shared = {
    id,
    className: "field",
    "aria-invalid": error !== undefined,
    "aria-required": field.required,
    ...(described && { "aria-describedby": described }),
  };
  const text = typeof value === "string" ? value : "";
  const placeholder = field.example ?? "";

  let input: ReactNode;
  switch (field.kind) {
    case "constant":
      return null;
    case "switch":
      return (
        <div className="form-field form-switch">
          <input
            {...shared}
            className="switch"
            type="checkbox"
            role="switch"
            aria-checked={value === true}
            checked={value === true}
            onChange={(event) => onChange(event.target.checked)}
          />
          <label htmlFor={id}>{field.label}</label>
          <Notes id={id} help={help} error={error} />
        </div>
      );
    case "choice":
      input = (
        <select {...shared} value={text} onChange={(event) => onChange(event.target.value)}>
          {(!field.required || text === "") && <option value="">{field.required ? "Choose…" : "Any"}</option>}
          {field.choices.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {typeof choice === "string" ? choice : JSON.stringify(choice)}
            </option>
          ))}
        </select>
      );
      break;
    case "long-text":
    case "lines":
    case "json":
      input = (
        <textarea
          {...shared}
          className={field.kind === "json" ? "field mono" : "field"}
          rows={3}
          spellCheck={field.kind === "long-text"}
          placeholder={field.kind === "json" ? placeholder || "JSON" : placeholder}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
      break;
    case "number":
    case "integer": {
      const number = (
        <input
          {...shared}
          inputMode={field.kind === "integer" ? "numeric" : "decimal"}
          autoComplete="off"
          placeholder={placeholder}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
      input =
        field.kind === "integer" &&
        field.minimum !== null &&
        field.maximum !== null &&
        field.maximum <= 100 &&
        field.default !== undefined ? (
          <div className="form-range">
            <input
              type="range"
              className="range"
              aria-label={`${field.label}, slider`}
              tabIndex={-1}
              min={field.minimum}
              max={field.maximum}
              value={text === "" ? String(field.default) : text}
              onChange={(event) => onChange(event.target.value)}
            />
            {number}
          </div>
        ) : (
          number
        );
      break;
    }
    default:
      input = (
        <input
          {...shared}
          type={field.kind === "url" ? "url" : "text"}
          autoComplete="off"
          placeholder={placeholder}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
  return (
    <div className="form-field">
      <div className="form-label">
        <label htmlFor={id}>{field.label}</label>
        {!field.required && <span className="faint">optional</span>}
      </div>
      {input}
      <Notes id={id} help={help} error={error} />
    </div>
  );
}

function Notes({ id, help, error }: { id: string; help: string; error: string | undefined }) {
  return (
    <>
      {error && (
        <p id={`${id}-error`} className="form-error">
          {error}
        </p>
      )}
      {help && (
        <p id={`${id}-help`} className="form-help">
          {help}
        </p>
      )}
    </>
  );
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}

/** The schema's limits in words. */
function limits({ kind, minimum, maximum, maxLength }: Field): string {
  if (kind === "number" || kind === "integer") {
    if (minimum !== null && maximum !== null) return `From ${minimum.toLocaleString()} to ${maximum.toLocaleString()}.`;
    if (minimum !== null) return `At least ${minimum}.`;
    return maximum === null ? "" : `At most ${maximum}.`;
  }
  return maxLength !== null && kind !== "lines" ? `At most ${maxLength.toLocaleString()} characters.` : "";
}
