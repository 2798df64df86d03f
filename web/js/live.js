// SPDX-License-Identifier: MIT
// What the page Now shows: the sessions that are under way, as they begin and end, and what they run.
import { useEffect, useMemo, useReducer, useRef } from './html.js'
import { request } from './api.js'
import { useResource, useStatus } from './poll.js'

export const SHOWN = 200 // of the active ones, the newest
export const ACTIVE = { status: 'active', limit: SHOWN }
const NEWS_MS = 10000 // how long a session is new, or is still shown after its end

// A session as the list has it. Looking at the session itself would be noted in the audit each time.
export function lookUp({ session_id, agent_id, started_at }, options) {
    return lookUpParams(agent_id, started_at, session_id, options)
}

async function lookUpParams(agent_id, from, session_id, options) {
    const to = new Date(Date.parse(from) + 1000).toISOString()
    const { sessions } = await request('/api/sessions', { ...options, params: { agent_id, from, to, limit: 1000 } })
    return sessions.find(session => session.session_id === session_id) || null
}

// What is remembered from one reply to the next.
class Memory {
    rows = new Map() // by session id: {...session, fresh, goneAt}
    begun = false

    // Takes what was listed; returns the sessions that no list has any more.
    take(listed, now) {
        const missing = [...this.rows.values()].filter(row => !row.goneAt && !listed.has(row.session_id))
        for (const [id, session] of listed) {
            const known = this.rows.get(id)
            const freshUntil = known ? known.freshUntil : this.begun ? now + NEWS_MS : 0
            this.rows.set(id, { ...session, freshUntil })
        }
        this.begun = true
        return missing
    }

    // What became of one that was missing: null is one that is out of sight.
    settle(id, session, now) {
        if (!session)
            this.rows.delete(id)
        else
            this.rows.set(id, { ...this.rows.get(id), ...session, goneAt: session.status === 'closed' ? now : null })
    }

    // Whether something is no news any more.
    age(now) {
        let changed = false
        for (const [id, row] of this.rows) {
            if (row.goneAt && now - row.goneAt > NEWS_MS)
                changed = this.rows.delete(id)
            else if (row.freshUntil && row.freshUntil < now)
                changed = this.rows.set(id, { ...row, freshUntil: 0 })
        }
        return Boolean(changed)
    }
}

function byId(...lists) {
    return new Map(lists.flatMap(list => list ?? []).map(session => [session.session_id, session]))
}

// Asks, one after the other, what became of sessions that no list has any more.
function useSettling(memory, changed) {
    const busy = useRef(false)
    return async missing => {
        if (busy.current || !missing.length)
            return
        busy.current = true
        for (const row of missing) {
            try {
                memory.settle(row.session_id, await lookUp(row), Date.now())
            } catch (error) {
                if (!error.passes)
                    memory.settle(row.session_id, null)
            }
        }
        busy.current = false
        changed()
    }
}

// The ids of the machines that are offline: what goes on there is not known.
function useOffline() {
    const { data } = useResource('/api/machines', { status: 'offline', limit: 1000 }, { every: 10000 })
    return useMemo(() => new Set(data?.machines.map(({ agent_id }) => agent_id)), [data])
}

// {rows, more: whether there are more than are listed, loading, error}. A row is a session with
// freshUntil (ms; 0 unless it has just begun), goneAt (ms; when it was seen to have ended) and offline
// (its machine is).
export function useLiveSessions() {
    const memory = useRef(null)
    memory.current ??= new Memory()
    const [version, changed] = useReducer(n => n + 1, 0)
    const active = useResource('/api/sessions', ACTIVE)
    const closing = useResource('/api/sessions', { status: 'closing', limit: SHOWN })
    const settle = useSettling(memory.current, changed)
    useEffect(() => {
        if (!active.data || !closing.data)
            return
        settle(memory.current.take(byId(active.data.sessions, closing.data.sessions), Date.now()))
        changed()
    }, [active.data, closing.data])
    useEffect(() => {
        const timer = setInterval(() => memory.current.age(Date.now()) && changed(), 1000)
        return () => clearInterval(timer)
    }, [])
    const offline = useOffline()
    const rows = useMemo(() => [...memory.current.rows.values()].map(row => (offline.has(row.agent_id) ? { ...row, offline: true } : row)),
        [version, offline])
    const refresh = () => {
        active.refresh()
        closing.refresh()
    }
    return {
        rows, refresh, more: Boolean(active.data?.next_cursor), error: active.error || closing.error,
        loading: !memory.current.begun,
    }
}

// --- commands ------------------------------------------------------------------------------------

const STREAM = { limit: 100 }
const DEEP = { limit: 1000 }
const LOOK_MS = 5000
const LONG_MS = 60000 // what has run so long is looked at as rarely
const BY_HAND = { every: 3600000 }

// How long after a look at the commands the next one has something to tell; null: nothing.
function nextLook(rows, newest) {
    if (rows[0]?.id !== newest)
        return LOOK_MS
    const running = rows.find(row => row.success === null)
    if (!running)
        return null
    return Date.now() - Date.parse(running.timestamp) < LONG_MS ? LOOK_MS : LONG_MS
}

// {rows, error, refresh}: the newest commands. The dashboard's ten newest come every two seconds. How
// they ended, and in which session, is a search, which the audit notes each time: so it is made when
// there is news only. What it has not told yet is undefined.
export function useStream() {
    const recent = useResource('/api/dashboard/recent-activity')
    const known = useResource('/api/activity', STREAM, BY_HAND)
    const { paused, hidden } = useStatus()
    const newest = recent.data?.activities[0]?.id
    useEffect(() => {
        const wait = known.data && recent.data && !paused && !hidden ? nextLook(known.data.activities, newest) : null
        if (wait === null)
            return undefined
        const timer = setTimeout(known.refresh, Math.max(0, wait - (Date.now() - known.updatedAt)))
        return () => clearTimeout(timer)
    }, [newest, known.updatedAt, paused, hidden])
    const rows = useMemo(() => {
        if (!known.data)
            return null
        const ids = new Set(known.data.activities.map(({ id }) => id))
        const news = recent.updatedAt > known.updatedAt ? recent.data.activities.filter(({ id }) => !ids.has(id)) : []
        return [...news, ...known.data.activities]
    }, [recent.data, known.data])
    return { rows, error: known.error || recent.error, refresh: known.refresh }
}

// The newest command of each session of `rows`, by its id: from the stream, and where that does not go
// back so far, from one longer look.
export function useLastCommands(rows, stream) {
    const known = useRef(new Map())
    const deep = useRef(false)
    const [version, changed] = useReducer(n => n + 1, 0)
    const learn = commands => {
        for (const command of [...commands].reverse())
            known.current.set(command.session_id, command)
    }
    const last = useMemo(() => {
        learn((stream ?? []).filter(command => command.session_id))
        return new Map(known.current)
    }, [stream, version])
    useEffect(() => {
        const lacking = stream && rows.some(row => row.commands && !row.goneAt && !last.has(row.session_id))
        if (!lacking || deep.current || stream.length < STREAM.limit)
            return
        deep.current = true
        request('/api/activity', { params: DEEP }).then(({ activities }) => {
            learn([...stream, ...activities.slice(STREAM.limit)])
            changed()
        }, () => {}) // it is shown as not known
    }, [rows, stream])
    return last
}
