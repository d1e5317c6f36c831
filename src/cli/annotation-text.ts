/** What transactions say of themselves: asked for on the command line, and printed. */
import { InvalidArgumentError } from "commander";
import type { Annotation } from "../index.js";
import { matches } from "../log/annotation.js";
import { asText } from "./history-text.js";

export interface AnnotationFlags {
  readonly causedBy?: number;
  readonly tag?: Readonly<Record<string, string>>;
}

/** `name=value`; to be given more than once. */
export function tagOf(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be name=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function matchesFlags(
  annotation: Annotation | undefined,
  { causedBy, tag }: AnnotationFlags,
): boolean {
  if (causedBy === undefined && tag === undefined) return true;
  const tags = tag === undefined ? {} : { tags: tag };
  return matches(annotation, { ...(causedBy !== undefined && { causedBy }), ...tags });
}

/** Of anything that has them, for `--json`. */
export function annotationIn({ reason, causedBy, tags }: Annotation): Annotation {
  return {
    ...(reason !== undefined && { reason }),
    ...(causedBy !== undefined && { causedBy }),
    ...(tags !== undefined && { tags }),
  };
}

/** One line for each thing that is said. */
export function annotationLines({ reason, causedBy, tags }: Annotation): string[] {
  const lines: string[] = [];
  if (reason !== undefined) lines.push(`reason: ${asText(reason)}`);
  if (causedBy !== undefined) lines.push(`caused by: ${causedBy}`);
  if (tags !== undefined) lines.push(`tags: ${tagsText(tags)}`);
  return lines;
}

/** In one line: "why (caused by 7; signal=s-1, venue=XNAS)". */
export function annotationText({ reason, causedBy, tags }: Annotation): string {
  const facts: string[] = [];
  if (causedBy !== undefined) facts.push(`caused by ${causedBy}`);
  if (tags !== undefined) facts.push(tagsText(tags));
  const behind = facts.length === 0 ? "" : `(${facts.join("; ")})`;
  return [reason === undefined ? "" : asText(reason), behind].filter(Boolean).join(" ");
}

function tagsText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${asText(name)}=${asText(value)}`)
    .join(", ");
}
