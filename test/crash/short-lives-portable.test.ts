/** Very many kills of short-lived processes on this back end; see short-lives.ts. */
import { shortLivesSuite } from "./short-lives-suite.js";

shortLivesSuite("portable");
