// The process of one part of a bench: see children.mjs.

/** To the parent; resolves when it has been handed over. */
function send(message) {
  return new Promise((resolve, reject) => {
    process.send(message, (error) => (error ? reject(error) : resolve()));
  });
}

process.once("message", async ({ url, name, params }) => {
  // An orphan would go on measuring for nobody.
  process.once("disconnect", () => process.exit(1));
  try {
    const module = await import(url);
    const value = await module[name](params, (value) => void send({ type: "message", value }));
    await send({ type: "done", value });
    process.exit(0);
  } catch (error) {
    await send({ type: "failed", error: error instanceof Error ? error.stack : String(error) });
    process.exit(1);
  }
});
