/** The program of docs/books.md prints what the document says, and the command reads its store. */
import { expect, test } from "vitest";
import { holdfast } from "../cli/stores.js";
import { testPage } from "./page.js";

const { state } = testPage("books");

/** What the command prints of the store that the program has left. */
async function printed(...args: string[]): Promise<string> {
  const { stdout, code } = await holdfast("book", state, ...args);
  expect(code).toBe(0);
  return stdout;
}

test("its books are listed, and one is drawn, as it is and as it was", async () => {
  const [title, line] = (await printed()).split("\n");
  expect(title).toMatch(/^book +dialect +last update +bids +asks/);
  expect(line).toMatch(/^binance\.btcusdt +usd-m +1012 +2 +2 +61837\.40 +61837\.80$/);
  expect(JSON.parse(await printed("--json"))).toMatchObject({ lastId: 1012, bids: 2, asks: 2 });
  const drawn = (await printed("binance.btcusdt")).trimEnd().split("\n");
  expect(drawn[0]).toBe("binance.btcusdt: update 1012, 2 bids, 2 asks");
  expect(drawn.slice(2).map((row) => row.trim().split(/ +/).slice(0, 3).join(" "))).toEqual([
    "ask 61838.00 3.100",
    "ask 61837.80 0.300",
    "bid 61837.40 0.750",
    "bid 61837.10 2.000",
  ]);
  expect(drawn[2]).toContain("█".repeat(40));
  expect(drawn[3]).toMatch(/ █{3}▉$/);
  const one = JSON.parse(await printed("binance.btcusdt", "--levels", "1", "--json"));
  expect(one.bids).toEqual([["61837.40", "0.750"]]);
  const before = JSON.parse(await printed("binance.btcusdt", "--at", "4", "--json"));
  expect(before.lastId).toBe(1010);
  expect(before.bids[0]).toEqual(["61837.60", "1.000"]);
});

test("a book that is not there is refused, and those that are named", async () => {
  const { code, stderr } = await holdfast("book", state, "nothing");
  expect(code).not.toBe(0);
  expect(stderr).toContain('no book "nothing"; it has "binance.btcusdt"');
});
