// SPDX-License-Identifier: MIT
// Lists of the API as files: all pages of them, one after the other, with the token that a plain link
// could not carry.
import { html, useEffect, useRef, useState } from './html.js'
import { asCurl, fetchOk } from './api.js'
import { CopyButton } from './parts.js'
import { text } from './text.js'

const TYPES = { csv: 'text/csv', ndjson: 'application/x-ndjson' }
const PAGE = 1000 // rows
const MOST_PAGES = 200 // more than spreadsheets take

// The next page's cursor, of `Link: </api/...?cursor=...>; rel="next"`, or null.
function nextCursor(response) {
    const found = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get('Link') || '')
    return found && new URL(found[1], location.href).searchParams.get('cursor')
}

// Waits as long as a service that is busy asks for.
async function patiently(load, signal) {
    for (let failures = 0; ; failures++) {
        try {
            return await load()
        } catch (error) {
            if (signal.aborted || !error.passes || failures === 5)
                throw error
            await new Promise(resolve => setTimeout(resolve, 1000 * Math.max(error.retryAfter ?? 0, 2 ** failures)))
        }
    }
}

// A CSV page begins with a line of names, which a file has once.
const withoutNames = page => page.slice(page.indexOf('\r\n') + 2)

// The file's parts, and whether there would be more.
async function collect(path, params, form, signal, progress) {
    const parts = []
    let cursor = null
    do {
        const response = await patiently(() => fetchOk(path, {
            params: { ...params, limit: PAGE, cursor }, headers: { Accept: TYPES[form] }, signal,
        }), signal)
        const page = await response.text()
        parts.push(form === 'csv' && parts.length ? withoutNames(page) : page)
        cursor = nextCursor(response)
        progress(parts.reduce((sum, part) => sum + part.length, 0))
    } while (cursor && parts.length < MOST_PAGES)
    return { parts, cut: cursor !== null }
}

function save(parts, name, form) {
    const url = URL.createObjectURL(new Blob(parts, { type: TYPES[form] }))
    Object.assign(document.createElement('a'), { href: url, download: `${name}.${form}` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 60000)
}

function useDownload(path, params, name) {
    const [state, setState] = useState({})
    const abort = useRef(null)
    useEffect(() => () => { // another view, or none
        abort.current?.abort()
        setState({})
    }, [path, JSON.stringify(params)])
    const start = async form => {
        abort.current = new AbortController()
        const { signal } = abort.current
        setState({ size: 0 })
        try {
            const { parts, cut } = await collect(path, params, form, signal, size => setState({ size }))
            save(parts, name, form)
            setState({ done: true, cut })
        } catch (error) {
            setState(signal.aborted ? {} : { error })
        }
    }
    return { ...state, start, stop: () => abort.current.abort() }
}

function Progress({ size, done, cut, error }) {
    const said = error ? text.download.failed(error.message) : cut ? text.download.cut(PAGE * MOST_PAGES)
        : done ? text.download.done : size === undefined ? '' : text.download.busy(size)
    return html`<span class=${error ? 'bad' : 'muted'} role="status">${said}</span>`
}

// What a view shows, to take along: as a text, as a file, and as a request for a terminal. name: of the
// file; copy: the text.
export function TakeAlong({ path, params = {}, name, files = true, copy }) {
    const { start, stop, ...state } = useDownload(path, params, name)
    const busy = state.size !== undefined
    return html`<div class="take-along">
        ${files && html`<${Progress} ...${state} />`}
        ${copy && html`<${CopyButton} value=${copy} />`}
        ${files && (busy ? html`<button type="button" class="quiet" onClick=${stop}>${text.download.stop}</button>`
            : Object.keys(TYPES).map(form => html`<button type="button" class="quiet" key=${form} title=${text.download.all(form)}
                onClick=${() => start(form)}>${text.download[form]}</button>`))}
        <${CopyButton} value=${asCurl(path, params)} label=${text.download.curl} />
    </div>`
}
