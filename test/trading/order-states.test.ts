/** The table of order states, and a property: no sequence of events breaks what it promises. */
import { expect, test } from "vitest";
import {
  ORDER_EVENTS,
  ORDER_STATUSES,
  type OrderEvent,
  type OrderStatus,
  TRANSITIONS,
} from "../../src/trading/index.js";
import { isWorking, nextStatus } from "../../src/trading/order-states.js";
import fc from "../support/properties.js";

/** The table once more, written as the sentences it stands for. */
function expected(status: OrderStatus, event: OrderEvent): OrderStatus | undefined {
  const fill = event === "fill" || event === "complete";
  const unheard = status === "intent" || status === "unknown";
  switch (event) {
    case "accept":
      if (unheard || status === "unsent") return "open";
      return status === "rejected" ? undefined : status;
    case "reject":
      return unheard || status === "open" || status === "rejected" ? "rejected" : undefined;
    case "cancel":
      if (status === "cancelled") return status;
      return isWorking(status) ? "cancelled" : undefined;
    case "expire":
      if (status === "expired") return status;
      return isWorking(status) ? "expired" : undefined;
    case "doubt":
      return unheard ? "unknown" : undefined;
    case "amend":
      if (unheard || status === "unsent") return "open";
      return status === "rejected" ? undefined : status;
    case "absent":
      return unheard || status === "unsent" ? "unsent" : undefined;
    default:
      if (!fill || status === "filled" || status === "rejected") return undefined;
      if (event === "complete") return "filled";
      return status === "cancelled" || status === "expired" ? status : "partial";
  }
}

test.each(
  ORDER_STATUSES.flatMap((status) => ORDER_EVENTS.map((event) => [status, event] as const)),
)("%s, %s", (status, event) => {
  const next = expected(status, event);
  expect(TRANSITIONS[status][event]).toBe(next);
  if (next !== undefined) expect(nextStatus("a", status, event)).toBe(next);
  else expect(() => nextStatus("a", status, event)).toThrow(/order a is \w+: "\w+" cannot happen/);
});

test("whatever happens, an order that has ended never works again, unless it was thought unsent", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ORDER_EVENTS), { maxLength: 20 }), (events) => {
      let status: OrderStatus = "intent";
      for (const event of events) {
        const next: OrderStatus | undefined = TRANSITIONS[status][event];
        if (next === undefined) continue;
        const ended = !isWorking(status) && status !== "unsent";
        expect(ended && isWorking(next)).toBe(false);
        if (status === "filled") expect(next).toBe("filled");
        expect(next === "intent").toBe(false);
        status = next;
      }
    }),
  );
});
