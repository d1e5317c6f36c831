// Tables and figures as text, for a terminal and as Markdown.

const isNumeric = (cell) => /^[-+~]?[\d.,]+( .*)?$/.test(String(cell));

/** Columns in line: words to the left, figures to the right. */
export function textTable(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  const right = rows[0].map((_, i) => i > 0 && rows.slice(1).every((row) => isNumeric(row[i])));
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          right[i] ? String(cell).padStart(widths[i]) : String(cell).padEnd(widths[i]),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function markdownTable([header, ...rows]) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** So many places after the point, with commas before it. */
export function number(value, places = 0) {
  if (value === undefined || value === null || Number.isNaN(value)) return "?";
  return value.toLocaleString("en-US", {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
}

export const megabytes = (bytes) => `${number(bytes / 1e6, 1)} MB`;
export const millis = (value) => `${number(value, value < 10 ? 2 : 1)} ms`;
export const micros = (value) => `${number(value, 1)} µs`;
export const times = (value) => `${number(value, 2)} times`;

/** A chart of one line of values over their index, `height` rows high. */
export function chart(values, { width = 72, height = 12, label = String } = {}) {
  const columns = Array.from({ length: Math.min(width, values.length) }, (_, i) => {
    const from = Math.floor((i * values.length) / Math.min(width, values.length));
    const to = Math.floor(((i + 1) * values.length) / Math.min(width, values.length));
    return Math.max(...values.slice(from, Math.max(from + 1, to)));
  });
  const most = Math.max(...columns, 1);
  const labels = Array.from({ length: height + 1 }, (_, row) => label((most * row) / height));
  const margin = Math.max(...labels.map((text) => text.length));
  const lines = [];
  for (let row = height; row >= 1; row--) {
    const filled = columns.map((value) => (value >= (most * (row - 0.5)) / height ? "#" : " "));
    lines.push(`${labels[row].padStart(margin)} |${filled.join("")}`.trimEnd());
  }
  lines.push(`${labels[0].padStart(margin)} +${"-".repeat(columns.length)}`);
  return lines.join("\n");
}
