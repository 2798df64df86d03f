// SPDX-License-Identifier: MIT
// A value that components follow: store.get(), store.set(members), useStore(store).
import { useLayoutEffect, useState } from './html.js'

export function createStore(value) {
    const followers = new Set()
    return {
        get: () => value,
        set(members) {
            value = { ...value, ...members }
            followers.forEach(follow => follow(value))
        },
        follow(follower) {
            followers.add(follower)
            return () => followers.delete(follower)
        },
    }
}

export function useStore(store) {
    const [value, setValue] = useState(store.get())
    useLayoutEffect(() => {
        setValue(store.get()) // what has changed since the first rendering
        return store.follow(setValue)
    }, [store])
    return value
}
