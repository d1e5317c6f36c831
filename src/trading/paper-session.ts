/** A connection to the paper exchange, and what is said on it. */
import { invalid } from "./amounts.js";
import type { Broker, BrokerOrder, SubmitResult } from "./broker.js";
import type { FillInput } from "./fills.js";
import type { Order } from "./orders.js";
import type { PaperExchange } from "./paper.js";

/** What the venue says unasked; each may come late, twice, or never. */
export type PaperMessage =
  | { readonly type: "accepted" | "cancelled"; readonly clientId: string; readonly venueId: string }
  | { readonly type: "fill"; readonly fill: FillInput };

export interface PaperConnection {
  /** The nonce of a request. */
  readonly nonce: () => Promise<number>;
  readonly onMessage?: ((message: PaperMessage) => void) | undefined;
}

/** One connection to the exchange: the `Broker` of a program that trades there. */
export class PaperSession implements Broker {
  readonly venue: string;
  readonly #exchange: PaperExchange;
  readonly #connection: PaperConnection;
  #connected = true;

  /** @internal */
  constructor(exchange: PaperExchange, connection: PaperConnection) {
    if (typeof connection.nonce !== "function") throw invalid("a connection needs its nonces");
    this.venue = exchange.venue;
    this.#exchange = exchange;
    this.#connection = connection;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Cuts the line: messages under way are lost, and every request is refused. */
  disconnect(): void {
    this.#connected = false;
  }

  /** @internal */
  hear(message: PaperMessage): void {
    if (this.#connected) this.#connection.onMessage?.(message);
  }

  async submit(order: Order): Promise<SubmitResult> {
    await this.#sign();
    return this.#exchange.receive(order);
  }

  async amend(order: Order): Promise<SubmitResult> {
    await this.#sign();
    return this.#exchange.amend(order);
  }

  async cancel(order: { readonly clientId?: string | undefined }): Promise<void> {
    await this.#sign();
    this.#exchange.cancel(order.clientId);
  }

  async order(_symbol: string, clientId: string): Promise<BrokerOrder | undefined> {
    this.#assertConnected();
    return this.#exchange.ask(clientId);
  }

  async openOrders(): Promise<BrokerOrder[]> {
    this.#assertConnected();
    return this.#exchange.listOpen();
  }

  async positions() {
    this.#assertConnected();
    return this.#exchange.books.positions();
  }

  async balances() {
    this.#assertConnected();
    return this.#exchange.books.balances();
  }

  async fillsSince(timeMicros: number): Promise<FillInput[]> {
    this.#assertConnected();
    return this.#exchange.fillsSince(timeMicros);
  }

  async #sign(): Promise<void> {
    this.#assertConnected();
    const nonce = await this.#connection.nonce();
    this.#assertConnected();
    this.#exchange.useNonce(nonce);
  }

  #assertConnected(): void {
    if (!this.#connected) throw invalid("the connection to the paper exchange was cut");
  }
}
