import { momentOf } from "../../search";
import { formatExact } from "../../time/format";
import { Icon, type IconName } from "../../ui/icons";
import type { FilterBarProps } from "./filter-bar";

const isMoment = (text: string | undefined): text is string => text !== undefined && !/^\d+[mhd]$/.test(text);

/** What is filtered by beside state and task, each with the way to drop it. */
export function FilterTags({ search, onChange }: FilterBarProps) {
  const without = (name: keyof typeof search) => {
    const { [name]: _gone, ...rest } = search;
    return rest;
  };
  const tags: { key: string; icon: IconName; text: string; drop: () => void }[] = (search.tag ?? []).map((tag) => ({
    key: `tag ${tag}`,
    icon: "tag",
    text: tag,
    drop: () => {
      const left = search.tag?.filter((one) => one !== tag) ?? [];
      onChange(left.length ? { ...search, tag: left } : without("tag"));
    },
  }));
  const add = (name: "batch" | "error_type" | "created_after" | "created_before", icon: IconName, text: string) =>
    tags.push({ key: name, icon, text, drop: () => onChange(without(name)) });
  const at = (text: string) => formatExact(new Date(momentOf(text, 0) ?? 0).toISOString());
  if (search.batch) add("batch", "box", `batch ${search.batch}`);
  if (search.error_type) add("error_type", "alert", search.error_type);
  if (isMoment(search.created_after)) add("created_after", "clock", `since ${at(search.created_after)}`);
  if (isMoment(search.created_before)) add("created_before", "clock", `until ${at(search.created_before)}`);
  if (tags.length === 0) return null;
  return (
    <div className="filter-tags">
      {tags.map(({ key, icon, text, drop }) => (
        <button key={key} type="button" className="filter-tag" aria-label={`Drop the filter ${text}`} onClick={drop}>
          <Icon name={icon} />
          <span className="clip">{text}</span>
          <Icon name="cross" />
        </button>
      ))}
    </div>
  );
}
