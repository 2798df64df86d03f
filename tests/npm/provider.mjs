// SPDX-License-Identifier: MIT
// An OpenID provider for tests: provider.mjs PORT REDIRECT_URI. Whoever gives a name is let in.
import Provider from "oidc-provider"

const [port, redirect] = process.argv.slice(2)
const people = {
  "jane@example.com": { org: { id: "acme" }, realm_access: { roles: ["staff", "vsay-admin"] } },
  "auth0|joe": { org: { id: "acme" }, realm_access: { roles: ["staff"] } },
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "vsay", client_secret: "not so secret", redirect_uris: [redirect] }],
  claims: { openid: ["sub", "org", "realm_access"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["not so secret"] },
  pkce: { required: () => false },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
})
provider.listen(port, "127.0.0.1", () => console.log("listening"))
