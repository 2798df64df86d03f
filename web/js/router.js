// SPDX-License-Identifier: MIT
// The address after # is the state of the page, so that it can be pasted to a colleague:
// #/history?q=sudo is {page: 'history', id: '', params: {q: 'sudo'}}. The empty one is the page 'now'.
import { createStore, useStore } from './store.js'

export function parse(hash) {
    if (!hash.startsWith('#/'))
        return { page: 'now', id: '', params: {} }
    const [path, query] = split(hash.slice(2), '?')
    const [page, id] = split(path, '/')
    return { page: page || 'now', id: decode(id), params: Object.fromEntries(new URLSearchParams(query)) }
}

function split(text, separator) {
    const at = text.indexOf(separator)
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

// A mistyped address is one of something that does not exist, and no error of the page.
function decode(text) {
    try {
        return decodeURIComponent(text)
    } catch {
        return text
    }
}

// The href of a page. Parameters without a value are left out.
export function link(page, id = '', params = {}) {
    const given = Object.entries(params).filter(([, value]) => value !== '' && value != null)
    const query = given.length ? `?${new URLSearchParams(given)}` : ''
    return `#/${page === 'now' && !id ? '' : page}${id ? `/${encodeURIComponent(id)}` : ''}${query}`
}

const store = createStore(parse(location.hash))
addEventListener('hashchange', () => store.set(parse(location.hash)))

export const route = () => store.get()
export const useRoute = () => useStore(store)

export function go(page, id, params) {
    location.hash = link(page, id, params)
}

// Changes parameters of this page: filters are no steps that Back should go through.
export function setParams(params) {
    const { page, id, params: old } = store.get()
    history.replaceState(null, '', link(page, id, { ...old, ...params }))
    store.set(parse(location.hash))
}
