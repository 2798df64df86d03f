// SPDX-License-Identifier: MIT
// Requests to the API, as who they are made, and what becomes of a token that is no good any more.
import { createStore, useStore } from './store.js'

const TOKEN = 'vsay-token' // in sessionStorage: gone with the tab
const TIMEOUT_MS = 70000 // more than any web server lets a request take

export class ApiError extends Error {
    constructor(status, message, { retryAfter = null, requestId = null } = {}) {
        super(message)
        Object.assign(this, { status, retryAfter, requestId })
    }

    // Whether the same request may succeed later: no reply, or one that says so.
    get passes() {
        return this.status === 0 || this.status === 429 || this.status >= 500
    }
}

// --- who asks ------------------------------------------------------------------------------------

// state: unknown (not asked yet), in, out (nobody logged in) or expired (somebody was: the view stays).
// me: {user_id, username, role, tenant_id, expires_at}
const login = createStore({ state: 'unknown', me: null, why: null })

export const loginState = () => login.get()
export const useLogin = () => useStore(login)
export const onLogin = follower => login.follow(follower)
const token = () => sessionStorage.getItem(TOKEN)

function forget(why) {
    sessionStorage.removeItem(TOKEN)
    login.set({ state: login.get().me ? 'expired' : 'out', why })
}

async function whoAmI(options) {
    const me = await request('/api/login', options)
    login.set({ state: 'in', me, why: null })
    return me
}

// Finds out who is logged in, by the token of this tab or by a cookie.
export async function begin() {
    try {
        await whoAmI()
    } catch (error) {
        if (error.status !== 401)
            login.set({ state: 'unknown', why: error })
        throw error
    }
}

// With `cookie` the browser keeps the token where no script can read it, for all tabs.
export async function logIn(text, { cookie = false } = {}) {
    const headers = { Authorization: `Bearer ${text}` }
    if (cookie) {
        await request('/api/login', { method: 'POST', headers })
        sessionStorage.removeItem(TOKEN)
        return whoAmI()
    }
    const me = await request('/api/login', { headers })
    sessionStorage.setItem(TOKEN, text)
    login.set({ state: 'in', me, why: null })
    return me
}

export async function logOut() {
    sessionStorage.removeItem(TOKEN)
    login.set({ state: 'out', me: null, why: null })
    await request('/api/login', { method: 'DELETE' }).catch(() => {}) // there may be no cookie
}

// --- requests ------------------------------------------------------------------------------------

// The page may be below a prefix, which the API has too.
export function address(path, params = {}) {
    const url = new URL(path.slice(1), new URL('.', location.href))
    for (const [name, value] of Object.entries(params))
        if (value !== '' && value != null)
            url.searchParams.set(name, value)
    return url
}

function headersOf(more) {
    const headers = { Accept: 'application/json', 'Vsay-Request': '1' } // a cookie counts with it only
    if (token())
        headers.Authorization = `Bearer ${token()}`
    return { ...headers, ...more }
}

// Seconds: the header may also be a date.
function retryAfter(response) {
    const value = response.headers.get('Retry-After')
    if (!value)
        return null
    const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000
    return Number.isFinite(seconds) ? Math.max(0, seconds) : null
}

async function failure(response) {
    let message = `HTTP ${response.status}`
    try {
        message = (await response.json()).error || message
    } catch { /* a web server's own page */ }
    return new ApiError(response.status, message, {
        retryAfter: retryAfter(response), requestId: response.headers.get('X-Request-Id'),
    })
}

// The response, whatever its status. `signal` cancels.
export async function send(path, { method = 'GET', params, headers, signal } = {}) {
    const deadline = AbortSignal.timeout(TIMEOUT_MS)
    try {
        return await fetch(address(path, params), {
            method, headers: headersOf(headers), cache: 'no-store', credentials: 'same-origin',
            signal: signal && AbortSignal.any ? AbortSignal.any([signal, deadline]) : signal || deadline,
        })
    } catch (error) {
        if (signal?.aborted)
            throw error
        throw new ApiError(0, 'No reply')
    }
}

// The response of a request that succeeded; throws ApiError.
export async function fetchOk(path, options = {}) {
    const mine = token()
    const response = await send(path, options)
    if (response.ok)
        return response
    const error = await failure(response)
    // Another token may have come while this request was under way.
    if (error.status === 401 && !options.headers?.Authorization && mine === token())
        forget(error)
    throw error
}

// The JSON of the reply, or null when it has none; throws ApiError.
export async function request(path, options = {}) {
    const response = await fetchOk(path, options)
    return response.status === 204 ? null : response.json()
}

// The view at hand, for a terminal. The token is left out, since it would end up in a history.
export function asCurl(path, params) {
    return `curl -H "Authorization: Bearer $TOKEN" '${String(address(path, params)).replaceAll("'", '%27')}'`
}
