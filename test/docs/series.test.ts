/** The program of docs/series.md prints what the document says, and the command reads its store. */
import { expect, test } from "vitest";
import { holdfast } from "../cli/stores.js";
import { testPage } from "./page.js";

const { state } = testPage("series");

/** What the command prints of the store that the program has left. */
async function printed(...args: string[]): Promise<string> {
  const { stdout, code } = await holdfast("series", state, ...args);
  expect(code).toBe(0);
  return stdout;
}

test("its series are listed", async () => {
  const [title, line] = (await printed()).split("\n");
  expect(title).toMatch(/^series +rows +from/);
  expect(line).toMatch(/^trades +5 +2024-08-08T00:00:00\.000000Z +2024-08-08T00:01:20\.000000Z/);
  const json = JSON.parse(await printed("--json"));
  expect(json).toMatchObject({ name: "trades", count: 5, capacity: { rows: 1_000_000 } });
});

test("rows as a table, as JSON and as CSV", async () => {
  const rows = await printed("trades", "--last", "2");
  expect(rows.split("\n").slice(0, 3)).toEqual([
    "time                         id     price  quantity  sellerTook",
    "2024-08-08T00:01:10.000000Z   3  61831.10   2.50000        true",
    "2024-08-08T00:01:20.000000Z   4  61835.50   0.05000       false",
  ]);
  const from = ["--from", "2024-08-08T00:00:30Z", "--to", "2024-08-08T00:01:20Z"];
  expect(await printed("trades", ...from, "--csv", "--columns", "id,price")).toBe(
    "time,id,price\n1723075230000000,5,61850.00\n1723075270000000,3,61831.10\n",
  );
  const lines = (await printed("trades", "--last", "10s", "--json")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time: 1723075280000000, id: "4", price: "61835.50", quantity: "0.05000", sellerTook: false },
  ]);
});

test("candles, and the series as it was", async () => {
  const candles = ["--every", "1m", "--columns", "price,quantity", "--json"];
  const lines = (await printed("trades", ...candles)).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).volume)).toEqual(["2.02000", "2.55000"]);
  const past = await printed("trades", "--at", "3", "--json");
  expect(
    past
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).id),
  ).toEqual(["1", "2", "3", "4"]);
});

test("a drawing, with the bounds of the values and of the time", async () => {
  const columns = ["--columns", "price,quantity"];
  const drawing = await printed("trades", "--last", "1h", "--plot", ...columns);
  const lines = drawing.trimEnd().split("\n");
  expect(lines[0]).toBe("trades: price, 5 rows");
  expect(lines[1]).toMatch(/^ +61850 [\u2800-\u28ff]+$/);
  expect(lines[12]).toMatch(/^ +61831\.1 [\u2800-\u28ff]+$/);
  expect(lines[13]).toContain("2024-08-08T00:00:00.000000Z");
  expect(lines[14]).toMatch(/^ +quantity [▁▂▃▄▅▆▇█ ]+$/);
  expect(lines[15]).toContain("0.02 to 2.5");
});

test.each([
  [["nothing"], "has no series"],
  [["trades", "--columns", "nothing"], "has no column"],
  [["trades", "--plot", "--csv"], "only one of them"],
  [["trades", "--last", "soon"], "It must be a duration"],
])("%o: it cannot look, and says why", async (args, message) => {
  const { code, stderr } = await holdfast("series", state, ...args);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
