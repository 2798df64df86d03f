// SPDX-License-Identifier: MIT
// A list of the API that is read page by page, as far as somebody scrolls, and whose first rows can
// be kept fresh. One request of a list is under way at a time.
import { useEffect, useMemo, useRef, useState } from './html.js'
import { request, useLogin } from './api.js'
import { noteBad, noteGood, useStatus } from './poll.js'

const SLOWEST_S = 30

const keyOf = row => row.id ?? row.session_id ?? row.agent_id

const rowsOf = answer => Object.values(answer).find(Array.isArray)

const same = (a, b) => a.length === b.length && a.every((row, i) => row === b[i])

// What is known with its beginning, `head`, as it is now. Null when there may be rows between the two
// that nobody has read. Rows without a change stay the same objects.
export function merge(rows, head) {
    const places = new Map(rows.map((row, i) => [keyOf(row), i]))
    const last = head.length ? places.get(keyOf(head[head.length - 1])) : undefined
    return last === undefined ? null : unchanged(rows, head, places).concat(rows.slice(last + 1))
}

function unchanged(rows, head, places = new Map(rows.map((row, i) => [keyOf(row), i]))) {
    return head.map(row => {
        const old = rows[places.get(keyOf(row))]
        return old && JSON.stringify(old) === JSON.stringify(row) ? old : row
    })
}

class List {
    // `before`: rows that stay until there are others, so that the page does not jump.
    constructor(path, params, limit, changed, before) {
        Object.assign(this, { path, params, limit, changed, rows: before, stale: before.length > 0 })
        Object.assign(this, {
            cursor: null, done: false, searchedTo: null, loading: false, error: null,
            updatedAt: null, failures: 0, busy: null, abort: new AbortController(),
        })
        this.more = this.more.bind(this)
        this.refresh = this.refresh.bind(this)
    }

    close() {
        clearTimeout(this.timer)
        this.abort.abort()
    }

    load(limit, cursor) {
        return request(this.path, { params: { ...this.params, limit, cursor }, signal: this.abort.signal })
    }

    // The next page, unless something is under way.
    more() {
        if (!this.busy && !this.done)
            this.busy = this.run(() => this.loadMore(), this.more)
        return this.busy
    }

    // The first rows again, as soon as what is under way has ended.
    async refresh(limit = this.limit) {
        await this.busy
        if (!this.busy && this.updatedAt)
            this.busy = this.run(() => this.loadHead(limit), () => this.refresh(limit))
        return this.busy
    }

    async run(work, again) {
        clearTimeout(this.timer)
        try {
            await work()
            noteGood()
            Object.assign(this, { error: null, failures: 0, updatedAt: new Date() })
        } catch (error) {
            this.fail(error, again)
        }
        Object.assign(this, { busy: null, loading: false })
        this.tell()
    }

    async loadMore() {
        this.loading = true
        this.tell()
        const answer = await this.load(this.limit, this.cursor)
        this.rows = this.stale ? rowsOf(answer) : this.rows.concat(rowsOf(answer))
        this.stale = false
        this.follow(answer)
    }

    async loadHead(limit) {
        const answer = await this.load(limit, null)
        const merged = answer.next_cursor === null ? null : merge(this.rows, rowsOf(answer))
        const rows = merged || unchanged(this.rows, rowsOf(answer))
        if (!merged)
            this.follow(answer)
        if (!same(this.rows, rows))
            this.rows = rows
    }

    follow(answer) {
        this.cursor = answer.next_cursor
        this.done = answer.next_cursor === null
        this.searchedTo = answer.searched_to ?? null
    }

    fail(error, again) {
        if (this.abort.signal.aborted)
            return
        this.error = error
        if (!error.passes) {
            this.rows = this.stale ? [] : this.rows
            this.stale = false
            return
        }
        const delay = 1000 * Math.max(error.retryAfter ?? 0, Math.min(SLOWEST_S, 2 ** this.failures++))
        noteBad(delay)
        this.timer = setTimeout(again, delay)
    }

    tell() {
        if (!this.abort.signal.aborted)
            this.changed({})
    }
}

// While somebody looks, and all is well. `most` is how many rows are read again.
function useRefresh(list, every, most) {
    const { paused, hidden } = useStatus()
    useEffect(() => {
        if (!every || paused || hidden)
            return undefined
        const timer = setInterval(() => {
            if (!list.error && !list.busy)
                list.refresh(Math.min(Math.max(list.limit, list.rows.length), most))
        }, every)
        return () => clearInterval(timer)
    }, [list, every, most, paused, hidden])
}

// {rows, stale, more(), refresh(), done, searchedTo, loading, error, updatedAt}. Other params are
// another list; stale: the rows are still those of the one before. The first rows, `most` of them,
// are read again `every` so many ms.
export function useList(path, params, { limit = 100, every = 0, most = limit } = {}) {
    const [, changed] = useState({})
    const login = useLogin()
    const last = useRef(null)
    const list = useMemo(() => {
        const before = last.current?.path === path ? last.current.rows : []
        return new List(path, params, limit, changed, before)
    }, [path, JSON.stringify(params), limit])
    last.current = list
    useEffect(() => {
        list.more()
        return () => list.close()
    }, [list])
    useEffect(() => {
        if (login.state === 'in' && list.error?.status === 401)
            list.updatedAt ? list.refresh() : list.more()
    }, [list, login.state])
    useRefresh(list, every, most)
    return list
}
