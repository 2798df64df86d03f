// SPDX-License-Identifier: MIT
// A client whose types were made from docs/openapi.json: tests/e2e/test_openapi.py compiles it and
// runs it once. Prints what it was answered as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./api";

declare const process: { argv: string[] };

const [baseUrl, token, sessionId] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const api = createClient<paths>({ baseUrl, headers });
const session = { path: { session_id: sessionId } };

const list = await api.GET("/api/terminal/sessions", { params: { query: { limit: 10 } } });
const ids: string[] = (list.data?.sessions ?? []).map((each) => each.session_id);

const none = await api.GET("/api/sessions/{session_id}", {
    params: { path: { session_id: "none" } },
});
const error: string | undefined = none.error?.error;

const closed = await api.DELETE("/api/terminal/sessions/{session_id}", {
    params: { ...session, query: { reason: "maintenance" }, header: { Prefer: "wait=0" } },
});
const message: "Session closed" | "Session closing" | undefined = closed.data?.message;

const receipt = await api.GET("/api/sessions/{session_id}", { params: session });
const outcome: "confirmed" | "vanished" | "expired" | null | undefined =
    receipt.data?.session.termination?.outcome;
const status = receipt.data?.session.status;

// @ts-expect-error The contract has no such parameter, and so the compiler refuses it.
await api.GET("/api/terminal/sessions", { params: { query: { agentid: "abc123" } } });

console.log(JSON.stringify({ ids, error, notFound: none.response.status, message, status, outcome }));
