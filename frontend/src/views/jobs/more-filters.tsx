import { type FormEvent, useId } from "react";
import { type JobsSearch, momentOf } from "../../search";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import type { FilterBarProps } from "./filter-bar";

interface MoreFiltersProps extends FilterBarProps {
  open: boolean;
  onClose: () => void;
}

/** The filters that have no place in the bar: tags, batch, error, and a time from and to. */
export function MoreFilters({ open, onClose, search, onChange }: MoreFiltersProps) {
  const id = useId();
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = (name: string) => String(form.get(name) ?? "").trim();
    const { tag: _tag, batch: _batch, error_type: _error, created_after, created_before: _before, ...rest } = search;
    const next: JobsSearch = { ...rest };
    const tags = [
      ...new Set(
        said("tag")
          .split(/[\s,]+/)
          .filter(Boolean),
      ),
    ];
    if (tags.length) next.tag = tags;
    if (said("batch")) next.batch = said("batch");
    if (said("error_type")) next.error_type = said("error_type");
    const after = said("created_after");
    if (after) next.created_after = new Date(after).toISOString();
    // A span before now has no field here, and stays.
    else if (created_after && !created_after.includes("-")) next.created_after = created_after;
    if (said("created_before")) next.created_before = new Date(said("created_before")).toISOString();
    onClose();
    onChange(next);
  };
  const field = (name: string, label: string, value: string, more: { type?: string; placeholder?: string } = {}) => (
    <div className="form-field">
      <label htmlFor={`${id}-${name}`}>{label}</label>
      <input
        id={`${id}-${name}`}
        name={name}
        className="field"
        autoComplete="off"
        spellCheck={false}
        defaultValue={value}
        {...more}
      />
    </div>
  );
  return (
    <Dialog open={open} onClose={onClose} title="Filter jobs">
      <form className="form more-filters" onSubmit={apply}>
        {field("tag", "Tags, all of them", search.tag?.join(" ") ?? "", { placeholder: "nightly eu" })}
        {field("batch", "Batch", search.batch ?? "", { placeholder: "the id of a batch" })}
        {field("error_type", "Failed with the error", search.error_type ?? "", { placeholder: "ConnectError" })}
        <div className="more-filters-times">
          {field("created_after", "Submitted from", local(search.created_after), { type: "datetime-local" })}
          {field("created_before", "to", local(search.created_before), { type: "datetime-local" })}
        </div>
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary">
            Apply
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A moment as an input of local time wants it. */
function local(text: string | undefined): string {
  const moment = text?.includes("-") ? momentOf(text, 0) : null;
  if (moment === null) return "";
  const at = new Date(moment);
  return new Date(moment - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
