import type { Json, Schema } from "../api/types";

/** One input of a form: what the schema says of one value, made flat. */
export interface Field {
  /** JSON pointer inside the payload, as problem+json names it: "/query". */
  pointer: string;
  label: string;
  help: string | null;
  required: boolean;
  kind: "text" | "long-text" | "url" | "number" | "integer" | "switch" | "choice" | "lines" | "json" | "constant";
  choices: Json[];
  minimum: number | null;
  maximum: number | null;
  minLength: number | null;
  maxLength: number | null;
  pattern: string | null;
  default: Json | undefined;
  example: string | null;
}

/** What stands in the inputs, by pointer: text as it was typed, or a switch. */
export type Draft = Record<string, string | boolean>;
export type FieldErrors = Record<string, string>;

const LONG_TEXT = 300;

function resolve(schema: Schema, root: Schema, depth = 0): Schema {
  if (depth > 8) return {};
  if (schema.$ref) {
    const name = schema.$ref.replace(/^#\/(\$defs|definitions)\//, "");
    const { $ref: _ref, ...own } = schema;
    return { ...resolve(root.$defs?.[name] ?? {}, root, depth + 1), ...own };
  }
  const [only] = schema.allOf ?? [];
  if (only && schema.allOf?.length === 1) {
    const { allOf: _allOf, ...own } = schema;
    return { ...resolve(only, root, depth + 1), ...own };
  }
  const options = (schema.anyOf ?? schema.oneOf)?.filter((one) => one.type !== "null");
  const [option] = options ?? [];
  if (option && options?.length === 1) {
    const { anyOf: _anyOf, oneOf: _oneOf, ...own } = schema;
    return { ...resolve(option, root, depth + 1), ...own };
  }
  return schema;
}

function kindOf(schema: Schema): Field["kind"] {
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (schema.const !== undefined) return "constant";
  if (schema.enum) return "choice";
  if (type === "string") {
    if (schema.format === "uri" || schema.format === "url") return "url";
    return (schema.maxLength ?? 0) > LONG_TEXT ? "long-text" : "text";
  }
  if (type === "integer" || type === "number") return type;
  if (type === "boolean") return "switch";
  if (type === "array" && kindOf(schema.items ?? {}) === "text") return "lines";
  return "json";
}

const human = (name: string): string => {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const escapePointer = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** The inputs for a payload. Nested objects are laid flat; what has no simple input is typed as JSON. */
export function fieldsOf(root: Schema, schema: Schema = root, base = ""): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, raw]) => {
    const inner = resolve(raw, root);
    const pointer = `${base}/${escapePointer(name)}`;
    const required = schema.required?.includes(name) ?? false;
    if (inner.type === "object" && inner.properties && required && base.length < 60)
      return fieldsOf(root, inner, pointer);
    const [example] = inner.examples ?? [];
    return [
      {
        pointer,
        label: inner.title ?? human(name),
        help: inner.description ?? null,
        required,
        kind: kindOf(inner),
        choices: inner.enum ?? (inner.const === undefined ? [] : [inner.const]),
        minimum: inner.minimum ?? inner.exclusiveMinimum ?? null,
        maximum: inner.maximum ?? inner.exclusiveMaximum ?? null,
        minLength: inner.minLength ?? null,
        maxLength: inner.maxLength ?? null,
        pattern: inner.pattern ?? null,
        default: inner.default ?? undefined,
        example: example === undefined ? null : typeof example === "string" ? example : JSON.stringify(example),
      },
    ];
  });
}

/** How a value stands in its input. */
function asDraft(field: Field, value: Json): string | boolean {
  if (field.kind === "switch") return value === true;
  if (field.kind === "lines" && Array.isArray(value)) return value.join("\n");
  if (field.kind === "json" || field.kind === "choice")
    return JSON.stringify(value, null, field.kind === "json" ? 2 : 0);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function at(payload: Json, pointer: string): Json | undefined {
  let value: Json | undefined = payload;
  for (const part of pointer.split("/").slice(1)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = value[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}

/** A form filled with an old payload, and with the schema's defaults where that says nothing. */
export function draftOf(fields: readonly Field[], payload: Json = {}): Draft {
  const draft: Draft = {};
  for (const field of fields) {
    const value = at(payload, field.pointer) ?? field.default;
    if (value !== undefined && value !== null) draft[field.pointer] = asDraft(field, value);
  }
  return draft;
}

function readField(field: Field, typed: string | boolean | undefined): { value?: Json; error?: string } {
  if (field.kind === "constant") return { value: field.choices[0] ?? null };
  if (field.kind === "switch") return typed === undefined ? {} : { value: typed === true };
  const text = typeof typed === "string" ? typed : "";
  if (text.trim() === "") return field.required ? { error: "This is needed." } : {};

  switch (field.kind) {
    case "number":
    case "integer": {
      const value = Number(text);
      if (!Number.isFinite(value)) return { error: "This must be a number." };
      if (field.kind === "integer" && !Number.isInteger(value)) return { error: "This must be a whole number." };
      if (field.minimum !== null && value < field.minimum) return { error: `At least ${field.minimum}.` };
      if (field.maximum !== null && value > field.maximum) return { error: `At most ${field.maximum}.` };
      return { value };
    }
    case "choice":
    case "json":
      try {
        return { value: JSON.parse(text) as Json };
      } catch {
        return { error: "This is not valid JSON." };
      }
    case "lines":
      return { value: text.split("\n").filter((line) => line.trim() !== "") };
    default:
      if (field.minLength !== null && text.length < field.minLength)
        return { error: `At least ${field.minLength} characters.` };
      if (field.maxLength !== null && text.length > field.maxLength)
        return { error: `At most ${field.maxLength} characters.` };
      return { value: text };
  }
}

/** The payload that the inputs make, and what is wrong with them. A value equal to its default is left out. */
export function payloadOf(
  fields: readonly Field[],
  draft: Draft,
): { payload: { [key: string]: Json }; errors: FieldErrors } {
  const payload: { [key: string]: Json } = {};
  const errors: FieldErrors = {};
  for (const field of fields) {
    const { value, error } = readField(field, draft[field.pointer]);
    if (error) errors[field.pointer] = error;
    const isDefault = field.default !== undefined && JSON.stringify(value) === JSON.stringify(field.default);
    if (value !== undefined && (field.required || !isDefault)) put(payload, field.pointer, value);
  }
  return { payload, errors };
}

function put(payload: { [key: string]: Json }, pointer: string, value: Json): void {
  const parts = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const name = parts.pop() ?? "";
  let target = payload;
  for (const part of parts) {
    const inner = target[part];
    const next = typeof inner === "object" && inner !== null && !Array.isArray(inner) ? inner : {};
    // A name like __proto__ in a foreign schema must stay a plain field.
    Object.defineProperty(target, part, { value: next, enumerable: true, writable: true, configurable: true });
    target = next;
  }
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
