import type { ReactNode } from "react";
import { formatMinute } from "../time/format";

/** Charts of minutes in plain SVG, stretched to their box: colours come from the theme, nothing is measured. */

interface FrameProps {
  label: string;
  /** The value at the top, in words; the middle and the bottom follow. */
  marks: [top: string, middle: string];
  from: number;
  to: number;
  children: ReactNode;
}

function Frame({ label, marks, from, to, children }: FrameProps) {
  return (
    <div className="chart">
      <div className="chart-scale" aria-hidden="true">
        <span>{marks[0]}</span>
        <span>{marks[1]}</span>
        <span>0</span>
      </div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label={label}>
        <path className="chart-grid" d="M0 .5H600M0 50H600M0 99.5H600" />
        {children}
      </svg>
      <div className="chart-times" aria-hidden="true">
        <span>{formatMinute(from)}</span>
        <span>{formatMinute((from + to) / 2)}</span>
        <span>{formatMinute(to)}</span>
      </div>
    </div>
  );
}

/** The next round number that leaves a chart some air. */
export function ceilingOf(highest: number): number {
  if (highest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return ([1, 2, 4, 5, 10].find((step) => highest <= step * power) ?? 10) * power;
}

export interface Column {
  at: number;
  /** From the bottom up. */
  parts: { tone: "good" | "bad"; value: number }[];
  title: string;
}

/** Stacked columns, one a minute; each says its figures under the pointer. */
export function Columns({
  columns,
  label,
  format,
}: {
  columns: Column[];
  label: string;
  format: (n: number) => string;
}) {
  const top = ceilingOf(Math.max(...columns.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0))));
  const step = 600 / columns.length;
  return (
    <Frame
      label={label}
      marks={[format(top), top > 1 ? format(top / 2) : ""]}
      from={columns[0]?.at ?? 0}
      to={columns.at(-1)?.at ?? 0}
    >
      {columns.map(({ at, parts, title }, index) => {
        let below = 0;
        return (
          <g key={at} className="chart-column">
            <title>{title}</title>
            <rect className="chart-hit" x={index * step} y={0} width={step} height={100} />
            {parts.map(({ tone, value }) => {
              const height = (value / top) * 100;
              below += height;
              return (
                value > 0 && (
                  <rect
                    key={tone}
                    className="chart-part"
                    data-tone={tone}
                    x={index * step + step * 0.15}
                    y={100 - below}
                    width={step * 0.7}
                    height={height}
                  />
                )
              );
            })}
          </g>
        );
      })}
    </Frame>
  );
}

export interface Line {
  name: string;
  tone: "run" | "wait";
  faint?: boolean;
  values: (number | null)[];
}

interface LinesProps {
  lines: Line[];
  times: number[];
  label: string;
  format: (n: number) => string;
}

/** Lines over the same minutes, broken where nothing was measured; a lone value is a dot. */
export function Lines({ lines, times, label, format }: LinesProps) {
  const top = ceilingOf(Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const step = 600 / times.length;
  const x = (index: number) => (index + 0.5) * step;
  const y = (value: number) => 100 - (value / top) * 100;
  return (
    <Frame label={label} marks={[format(top), format(top / 2)]} from={times[0] ?? 0} to={times.at(-1) ?? 0}>
      {lines.map(({ name, tone, faint, values }) => (
        <path
          key={name}
          className="chart-line"
          data-tone={tone}
          data-faint={faint || undefined}
          d={values
            .map((value, index) => {
              if (value === null) return "";
              const before = values[index - 1] ?? null;
              // A line of no length has round ends: a dot.
              return before === null ? `M${x(index)} ${y(value)}h0` : `L${x(index)} ${y(value)}`;
            })
            .join("")}
        />
      ))}
      {times.map((at, index) => (
        <g key={at} className="chart-column">
          <title>
            {`${formatMinute(at)}\n${lines
              .map(({ name, values }) => `${name} ${values[index] == null ? "–" : format(values[index] ?? 0)}`)
              .join("\n")}`}
          </title>
          <rect className="chart-hit" x={index * step} y={0} width={step} height={100} />
        </g>
      ))}
    </Frame>
  );
}

/** A row of small columns without a scale, for tables. */
export function Spark({ columns, label }: { columns: Pick<Column, "at" | "parts">[]; label: string }) {
  const top = Math.max(1, ...columns.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0)));
  const step = 120 / columns.length;
  return (
    <svg className="spark" viewBox="0 0 120 24" preserveAspectRatio="none" role="img" aria-label={label}>
      {columns.map(({ at, parts }, index) => {
        let below = 0;
        return parts.map(({ tone, value }) => {
          const height = (value / top) * 24;
          below += height;
          return (
            value > 0 && (
              <rect
                key={`${at} ${tone}`}
                className="chart-part"
                data-tone={tone}
                x={index * step}
                y={24 - below}
                width={step * 0.75}
                height={height}
              />
            )
          );
        });
      })}
    </svg>
  );
}
