// SPDX-License-Identifier: MIT
// What the page shows is asked for again every few seconds, while somebody looks: one request of a
// resource at a time, none while the page is hidden or paused, fewer and fewer while they fail.
import { useEffect, useMemo, useRef, useState } from './html.js'
import { loginState, onLogin, request } from './api.js'
import { createStore, useStore } from './store.js'

const SLOWEST_MS = 30000
const OFFLINE_MS = 3000 // without any good reply

// paused: by the user. offlineSince: when the last good reply came, while the API cannot be reached.
const status = createStore({ paused: false, hidden: document.hidden, offlineSince: null, retryAt: null })
const resources = new Map() // those that are followed, by their address
let lastGood = new Date()

export const useStatus = () => useStore(status)

export function setPaused(paused) {
    status.set({ paused })
    wake()
}

const asleep = () => status.get().paused || status.get().hidden || loginState().state !== 'in'

function wake() {
    for (const resource of resources.values())
        asleep() ? resource.sleep() : resource.refresh()
}

document.addEventListener('visibilitychange', () => {
    status.set({ hidden: document.hidden })
    wake()
})
addEventListener('online', wake)

let loggedInAs = null
onLogin(({ state, me }) => {
    if (state === 'in' && me !== loggedInAs)
        wake()
    loggedInAs = state === 'in' ? me : null
})

export function noteGood() {
    lastGood = new Date()
    if (status.get().offlineSince)
        status.set({ offlineSince: null, retryAt: null })
}

// One resource that fails while others answer is told where it is shown.
export function noteBad(delay) {
    if (Date.now() - lastGood > OFFLINE_MS)
        status.set({ offlineSince: status.get().offlineSince || lastGood, retryAt: new Date(Date.now() + delay) })
}

class Resource {
    constructor(path, params, every) {
        Object.assign(this, { path, params, every, followers: new Set(), failures: 0 })
        this.state = { data: null, error: null, updatedAt: null }
    }

    follow(follower, every) {
        this.followers.add(follower)
        this.every = Math.min(this.every, every)
        if (!asleep() && !this.timer)
            this.refresh()
        return () => this.unfollow(follower)
    }

    unfollow(follower) {
        this.followers.delete(follower)
        if (this.followers.size)
            return
        this.sleep()
        this.abort?.abort()
        resources.delete(keyOf(this.path, this.params))
    }

    sleep() {
        clearTimeout(this.timer)
        this.timer = null
    }

    tell(members) {
        this.state = { ...this.state, ...members }
        this.followers.forEach(follow => follow(this.state))
    }

    // Asks now, unless a request is under way or nobody would see what comes.
    async refresh() {
        if (this.abort || status.get().hidden || loginState().state !== 'in')
            return
        this.sleep()
        this.abort = new AbortController()
        let delay
        try {
            delay = await this.load()
        } finally {
            this.abort = null
        }
        if (this.followers.size && !asleep())
            this.timer = setTimeout(() => this.refresh(), delay)
    }

    // Milliseconds until the next request.
    async load() {
        try {
            const data = await request(this.path, { params: this.params, signal: this.abort.signal })
            this.failures = 0
            noteGood()
            this.tell({ data, error: null, updatedAt: new Date() })
            return this.every
        } catch (error) {
            if (this.abort.signal.aborted)
                return this.every
            return this.fail(error)
        }
    }

    fail(error) {
        this.failures++
        const backOff = Math.min(SLOWEST_MS, this.every * 2 ** Math.min(this.failures - 1, 8))
        const delay = error.passes ? Math.max(backOff, (error.retryAfter ?? 0) * 1000) : SLOWEST_MS
        if (error.passes)
            noteBad(delay)
        if (error.status !== 401) // which is between the user and the login
            this.tell({ error })
        return delay
    }
}

function keyOf(path, params) {
    const given = Object.entries(params || {}).filter(([, value]) => value !== '' && value != null)
    return `${path}?${new URLSearchParams(given)}`
}

function resourceOf(key, path, params, every) {
    if (!resources.has(key))
        resources.set(key, new Resource(path, params, every))
    return resources.get(key)
}

// {data, error, updatedAt, loading, refresh}. With `path` null nothing is asked for. While other
// parameters load, the data of those before stay, so that nothing flickers.
export function useResource(path, params, { every = 2000 } = {}) {
    const key = path && keyOf(path, params)
    const [state, setState] = useState({ data: null, error: null, updatedAt: null })
    const shown = useRef(null)
    useEffect(() => {
        if (!path)
            return undefined
        const resource = resourceOf(key, path, params, every)
        const show = value => {
            if (!value.updatedAt && !value.error && shown.current === path)
                return
            shown.current = path
            setState({ ...value, key })
        }
        show(resource.state)
        return resource.follow(show, every)
    }, [key, every])
    const refresh = useMemo(() => () => resources.get(key)?.refresh(), [key])
    return { ...state, loading: Boolean(path) && state.key !== key, refresh }
}
