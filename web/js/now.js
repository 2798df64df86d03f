// SPDX-License-Identifier: MIT
// What happens now: the fleet in four figures, the sessions that are under way, and what they run.
import { html, useMemo, useRef, useState } from './html.js'
import { asCurl, useLogin } from './api.js'
import { EndDialog } from './end.js'
import { Figures } from './figures.js'
import { howEnded, visible } from './format.js'
import { ACTIVE, SHOWN, useLastCommands, useLiveSessions, useStream } from './live.js'
import { Ago, Chips, CopyButton, Cut, Empty, State, Trouble } from './parts.js'
import { mayEnd, useRights } from './rights.js'
import { go, link, setParams } from './router.js'
import { Stream } from './stream.js'
import { Table } from './table.js'
import { text } from './text.js'

const SOURCES = ['ui', 'cli', 'vscode']
const idOf = session => session.session_id
const nameOf = session => `${visible(session.username)}, ${visible(session.machine_name)}`

const tabOf = current => (current ? 0 : -1) // Tab goes through one row, j and k from row to row

// --- columns -------------------------------------------------------------------------------------

function Who({ row, tab }) {
    const news = row.goneAt ? null : row.freshUntil ? html`<span class="fresh-mark">${text.now.fresh}</span>`
        : row.status === 'closing' ? html`<${State} kind="closing">${text.now.ending}<//>` : null
    return html`<span class="with-mark"><a href=${link('session', row.session_id)} tabIndex=${tab}><${Cut} title=${row.user_id}>${row.username}<//></a>${news}</span>`
}

function Machine({ row, tab }) {
    return html`<span class="with-mark"><a href=${link('machine', row.agent_id)} tabIndex=${tab}><${Cut} title=${row.agent_id}>${row.machine_name}<//></a>
        ${row.offline && html`<span title=${text.now.offlineHint}><${State} kind="offline">${text.now.offlineMachine}<//></span>`}</span>`
}

function Last({ row, command }) {
    if (row.goneAt)
        return html`<${State} kind=${row.termination ? 'failed' : 'closed'} bad=${Boolean(row.termination)}>${howEnded(row)}<//>`
    if (command)
        return html`<span class="with-mark"><${Cut} mono>${command.command}<//>${command.success === false
            && html`<${State} kind="failed">${text.now.failed}<//>`}</span>`
    const [word, title] = row.recorded ? [text.now.noCommand, undefined]
        : [text.now.notRecordedShort, text.now.notRecorded(visible(row.not_recorded_reason))]
    return html`<span class="muted" title=${title}>${row.commands ? text.now.earlier : word}</span>`
}

const program = row => [row.browser, row.os].filter(Boolean).map(visible).join(', ')

// Where the user may end nothing, nothing is offered.
function columnsFor(last, end) {
    const columns = [
        { key: 'who', title: text.now.who, value: row => row.username, cell: (row, current) => html`<${Who} row=${row} tab=${tabOf(current)} />` },
        { key: 'machine', title: text.now.machine, value: row => row.machine_name,
            cell: (row, current) => html`<${Machine} row=${row} tab=${tabOf(current)} />` },
        { key: 'since', title: text.now.since, align: 'right', down: true, value: row => Date.parse(row.started_at),
            cell: row => html`<${Ago} time=${row.started_at} />` },
        { key: 'from', title: text.now.from, value: row => row.source_address,
            cell: row => html`<${Cut}>${row.source_address ?? text.unit.none}<//>` },
        { key: 'source', title: text.now.source, value: row => text.source[row.source],
            cell: row => html`<span title=${program(row) || undefined}>${text.source[row.source] ?? row.source}</span>` },
        { key: 'last', title: text.now.last, down: true, value: row => last.get(idOf(row))?.timestamp ?? null,
            cell: row => html`<${Last} row=${row} command=${last.get(idOf(row))} />` },
    ]
    const button = (row, current) => html`<button type="button" class="quiet end" tabIndex=${tabOf(current)} onClick=${() => end.ask([row])}
        aria-label=${text.now.endOne(visible(row.username), visible(row.machine_name))}>${text.now.end}</button>`
    return end.any ? [...columns, { key: 'end', title: text.now.actions, unseen: true, cell: (row, current) => end.may(row) && button(row, current) }] : columns
}

// --- filter --------------------------------------------------------------------------------------

function matches(row, words, command) {
    const all = [row.username, row.user_id, row.machine_name, row.agent_id, row.source_address, row.session_id,
        command?.command].join('\n').toLowerCase()
    return words.every(word => all.includes(word))
}

function filtered(rows, { q = '', source = '' }, last) {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean)
    return rows.filter(row => (!source || row.source === source) && matches(row, words, last.get(idOf(row))))
}

function Filter({ params, rows }) {
    const counted = source => rows.filter(row => !row.goneAt && (!source || row.source === source)).length
    const options = [{ value: '', title: text.now.all, count: counted('') },
        ...SOURCES.map(value => ({ value, title: text.source[value], count: counted(value) }))]
    return html`<div class="filter">
        <input type="search" aria-label=${text.now.filter} placeholder=${text.now.filterHint} value=${params.q ?? ''}
            onInput=${event => setParams({ q: event.target.value })} />
        <${Chips} label=${text.now.sources} options=${options} value=${params.source ?? ''} onChange=${source => setParams({ source })} />
    </div>`
}

// --- the table -----------------------------------------------------------------------------------

const sortOf = ({ sort = '-since' }) => ({ key: sort.replace(/^-/, ''), down: sort.startsWith('-') })
const setSort = ({ key, down }) => setParams({ sort: `${down ? '-' : ''}${key}` })

function Nothing({ filters }) {
    if (filters)
        return html`<${Empty} title=${text.now.nothing}>
            <button type="button" onClick=${() => setParams({ q: '', source: '' })}>${text.now.clearFilter}</button><//>`
    return html`<${Empty} title=${text.now.empty}><p>${text.now.emptyNext}</p>
        <p class="command mono">${text.now.emptyCommand} <${CopyButton} value=${text.now.emptyCommand} /></p><//>`
}

function rowClass(row) {
    return row.goneAt ? 'gone' : row.freshUntil ? 'fresh' : row.status === 'closing' ? 'closing' : ''
}

function Sessions({ live, last, params, end }) {
    const [selection, setSelection] = useState(new Set())
    const columns = useMemo(() => columnsFor(last, end), [last, end])
    const shown = useMemo(() => filtered(live.rows, params, last), [live.rows, params.q, params.source, last])
    const selected = shown.filter(row => selection.has(idOf(row)) && end.may(row))
    const there = live.rows.filter(row => !row.goneAt).length
    const visibleOnes = shown.filter(row => !row.goneAt).length
    return html`<section class="sessions" aria-labelledby="sessions-title">
        <div class="head">
            <h2 id="sessions-title">${text.now.table}</h2>
            <span class="muted" role="status">${live.loading ? '' : text.now.count(visibleOnes, there, live.more)} <span class="unseen">${text.now.counted}</span></span>
            <div class="chosen">${selected.length > 0 && html`
                <span>${text.now.selected(selected.length)}</span>
                <button type="button" class="quiet" onClick=${() => setSelection(new Set())}>${text.now.clear}</button>
                <button type="button" class="ends" onClick=${() => end.ask(selected)}>${text.now.endMany(selected.length)}</button>`}</div>
        </div>
        <${Filter} params=${params} rows=${live.rows} />
        ${live.error && !live.rows.length && html`<${Trouble} error=${live.error} onRetry=${live.refresh} />`}
        ${shown.length > 0 && html`<${Table} label=${text.now.table} columns=${columns} rows=${shown} rowKey=${idOf} rowName=${nameOf}
            sort=${sortOf(params)} onSort=${setSort} rowClass=${rowClass}
            selection=${end.any ? selection : undefined} onSelect=${setSelection} selectable=${end.may}
            onOpen=${row => go('session', idOf(row))} onEnd=${row => end.may(row) && end.ask([row])} />`}
        ${!live.loading && !shown.length && html`<${Nothing} filters=${params.q || params.source} />`}
        <p class="foot muted">${live.more && html`<span>${text.now.more(SHOWN)} <a href=${link('history', '', { status: 'active', q: params.q, source: params.source })}>${text.nav.history}</a></span>`}
            <${CopyButton} value=${asCurl('/api/sessions', ACTIVE)} label=${text.download.curl} /></p>
    </section>`
}

// What begins and ends, for who does not see it.
function Announced({ rows }) {
    const said = useRef(new Map())
    const news = []
    for (const row of rows) {
        const state = row.goneAt ? 'gone' : row.freshUntil ? 'fresh' : ''
        if (state && said.current.get(idOf(row)) !== state)
            news.push(state === 'fresh' ? text.now.began(visible(row.username), visible(row.machine_name))
                : text.now.ended(visible(row.username), visible(row.machine_name), howEnded(row)))
        said.current.set(idOf(row), state)
    }
    const shown = useRef('')
    if (news.length)
        shown.current = news.join(' ')
    return html`<p class="unseen" aria-live="polite">${shown.current}</p>`
}

export function Page({ params }) {
    const { me } = useLogin()
    const live = useLiveSessions()
    const stream = useStream()
    const last = useLastCommands(live.rows, stream.rows)
    const [asked, setAsked] = useState(null) // the sessions that are to end
    const may = row => !row.goneAt && row.status === 'active' && mayEnd(row, me)
    const any = live.rows.some(may)
    const rights = useRights()
    const end = useMemo(() => ({ may, any, ask: setAsked }), [me, any, rights])
    return html`
        <h1 class="unseen">${text.now.title}</h1>
        <${Figures} sessions=${live} />
        <div class="now">
            <${Sessions} live=${live} last=${last} params=${params} end=${end} />
            <${Stream} stream=${stream} />
        </div>
        <${Announced} rows=${live.rows} />
        ${asked && html`<${EndDialog} sessions=${asked} me=${me} onClose=${() => { setAsked(null); live.refresh() }} />`}`
}
