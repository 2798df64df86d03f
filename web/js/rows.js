// SPDX-License-Identifier: MIT
// What is around the rows of a list: how many there are, and its end, which loads more when it comes
// into view.
import { html, useEffect, useRef, useState } from './html.js'
import { clock, stamp } from './format.js'
import { Trouble } from './parts.js'
import { text } from './text.js'

const AHEAD = 600 // px: rows are there before somebody has scrolled to them

const isNear = element => element.getBoundingClientRect().top < innerHeight + AHEAD

function useInView() {
    const element = useRef(null)
    const [inView, setInView] = useState(false)
    useEffect(() => {
        const observer = new IntersectionObserver(entries => setInView(entries[entries.length - 1].isIntersecting),
            { rootMargin: `0px 0px ${AHEAD}px 0px` })
        observer.observe(element.current)
        return () => observer.disconnect()
    }, [])
    return [element, inView]
}

// How far back a search has come, of how far it is to go.
function Progress({ searchedTo, from }) {
    const begin = from && Date.parse(from)
    const part = begin ? (Date.now() - Date.parse(searchedTo)) / (Date.now() - begin) : null
    return html`<progress value=${part ?? undefined} aria-label=${text.list.progress}></progress>
        <span>${text.list.searchedTo(stamp(searchedTo))}</span>`
}

function End({ list, from }) {
    const [element, inView] = useInView()
    const [stopped, setStopped] = useState(false)
    const searching = list.searchedTo && !list.done
    useEffect(() => setStopped(false), [list])
    useEffect(() => {
        // The observer tells late that rows have come between.
        if (inView && isNear(element.current) && !stopped && !list.loading && !list.error)
            list.more()
    }, [inView, stopped, list, list.loading, list.error, list.updatedAt])
    return html`<div class="list-end" ref=${element}>
        ${list.error && list.error.status !== 401 ? html`<${Trouble} error=${list.error} onRetry=${list.more} />`
            : searching ? html`<${Progress} searchedTo=${list.searchedTo} from=${from} />
                <button type="button" class="quiet" onClick=${() => setStopped(!stopped)}>
                    ${stopped ? text.list.goOn : text.list.stop}</button>`
            : list.done ? list.rows.length > 0 && html`<span>${text.list.all}</span>`
            : html`<span>${text.list.loading}</span>`}
    </div>`
}

// How many rows there are, in a line that is always there; and of a list that is not kept fresh, as of when.
function Count({ list, noun, live }) {
    const loaded = list.updatedAt && text.list.count(list.rows.length, noun, list.done)
    return html`<p class="list-count"><span role="status">${loaded ?? ''}</span>
        ${list.updatedAt && !live && html`<span class="muted">${text.list.asOf(clock(list.updatedAt))}</span>
            <button type="button" class="quiet" onClick=${() => list.refresh()}>${text.list.refresh}</button>`}
    </p>`
}

// list: of useList; kind: of its rows, as in text.list; live: whether it is kept fresh; from: where a
// search is to end; empty: what is shown when there is nothing.
export function Rows({ list, kind, live = false, from, empty, children }) {
    const nothing = list.done && !list.rows.length
    return html`<${Count} list=${list} noun=${text.list[kind]} live=${live} />
        <div class=${`listing of-${kind}${list.stale ? ' stale' : ''}`}>${nothing ? empty : list.rows.length > 0 && children}</div>
        <${End} list=${list} from=${from} />`
}
