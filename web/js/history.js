// SPDX-License-Identifier: MIT
// What was: sessions of any state and commands, searched and filtered. All of it is in the address.
import { html, useMemo, useState } from './html.js'
import { commandColumns, idOf, sessionColumns } from './columns.js'
import { TakeAlong } from './download.js'
import { Field, Select } from './fields.js'
import { useList } from './list.js'
import { Chips, Empty } from './parts.js'
import { go, setParams } from './router.js'
import { Table } from './table.js'
import { Rows } from './rows.js'
import { text } from './text.js'

const HOURS = { '1h': 1, '24h': 24, '7d': 168, '30d': 720 }
const FILTERS = ['q', 'user', 'machine', 'source', 'status', 'success', 'time', 'from', 'to']

// For the address: the local time of a field in UTC, which means the same to a colleague elsewhere.
const toUtc = local => (local ? new Date(local).toISOString().replace('.000', '') : '')

function toLocal(utc) {
    const time = new Date(utc)
    if (!utc || Number.isNaN(time.getTime()))
        return ''
    return new Date(time - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16)
}

// The parameters of the API for those of the address. "The last hour" begins when it is chosen.
function useQuery({ show, q, user, machine, source, status, success, time, from, to }) {
    const since = useMemo(() => (HOURS[time] ? new Date(Date.now() - HOURS[time] * 3600000).toISOString() : ''), [time])
    return {
        q, user_id: user, agent_id: machine, source,
        ...show === 'commands' ? { success } : { status },
        from: since || from, to: since ? '' : to,
    }
}

function TimeFilter({ time, from, to }) {
    const between = time === 'between' || Boolean(from || to)
    const choose = value => setParams({ time: value, ...value === 'between' ? {} : { from: '', to: '' } })
    return html`<${Select} label=${text.history.time} value=${between ? 'between' : time || ''} options=${text.history.times}
            onChange=${choose} />
        ${between && html`<div class="between">
            <${Field} label=${text.history.from} type="datetime-local" value=${toLocal(from)}
                onChange=${value => setParams({ time: 'between', from: toUtc(value) })} />
            <${Field} label=${text.history.to} type="datetime-local" value=${toLocal(to)}
                onChange=${value => setParams({ time: 'between', to: toUtc(value) })} /></div>`}`
}

// Ids that are in the rows at hand, with the names that people know.
function suggestions(rows, id, name) {
    return [...new Map(rows.map(row => [row[id], row[name]]))].slice(0, 50)
}

// Where there is little room, a button shows all filters but the search.
function Filters({ params, rows }) {
    const [open, setOpen] = useState(false)
    const { show, q, user, machine, source } = params
    const set = name => value => setParams({ [name]: value })
    const state = show === 'commands' ? 'success' : 'status'
    const used = FILTERS.filter(name => name !== 'q' && params[name]).length
    return html`<search class=${`filters${open ? ' open' : ''}`}>
        <${Field} label=${text.history.search} type="search" value=${q} onChange=${set('q')} maxLength="200"
            placeholder=${text.history[show === 'commands' ? 'searchCommands' : 'searchSessions']} />
        <button type="button" class="toggle" aria-expanded=${open} onClick=${() => setOpen(!open)}>${text.history.filters(used)}</button>
        <${Field} label=${text.history.user} value=${user} onChange=${set('user')} mono
            suggestions=${suggestions(rows, 'user_id', 'username')} />
        <${Field} label=${text.history.machine} value=${machine} onChange=${set('machine')} mono
            suggestions=${suggestions(rows, 'agent_id', 'machine_name')} />
        <${Select} label=${text.history.source} value=${source} options=${{ '': text.history.any, ...text.source }} onChange=${set('source')} />
        <${Select} label=${text.history[state]} value=${params[state]} options=${text.history.states[state]} onChange=${set(state)} />
        <${TimeFilter} ...${params} />
    </search>`
}

const clear = () => setParams(Object.fromEntries(FILTERS.map(name => [name, ''])))

function Nothing({ commands, filtered }) {
    const { title, next } = text.history.empty[filtered ? 'filtered' : commands ? 'commands' : 'sessions']
    return html`<${Empty} title=${title}><p>${next}</p>
        ${filtered && html`<button type="button" onClick=${clear}>${text.history.clear}</button>`}<//>`
}

// Searches of commands are in the audit, each page of them, so nothing asks for them unasked; and a
// search of sessions may have read a lot. Plain sessions are kept fresh.
const refreshing = (commands, q) => (commands || q ? 0 : 5000)

export function Page({ params }) {
    const commands = params.show === 'commands'
    const path = commands ? '/api/activity' : '/api/sessions'
    const query = useQuery(params)
    const every = refreshing(commands, params.q)
    const list = useList(path, query, { every })
    const filtered = FILTERS.some(name => params[name])
    const views = ['sessions', 'commands'].map(value => ({ value, title: text.history[value] }))
    return html`<div class="page-head"><h1>${text.history.title}</h1>
            <${Chips} label=${text.history.show} options=${views} value=${commands ? 'commands' : 'sessions'}
                onChange=${value => setParams({ show: value === 'commands' ? value : '', status: '', success: '' })} />
            <${TakeAlong} path=${path} params=${query} name=${commands ? 'commands' : 'sessions'} />
        </div>
        <${Filters} params=${params} rows=${list.rows} />
        <${Rows} list=${list} live=${every > 0} kind=${commands ? 'commands' : 'sessions'} from=${query.from}
            empty=${html`<${Nothing} commands=${commands} filtered=${filtered} />`}>
            <${Table} key=${path} label=${text.history[commands ? 'commands' : 'sessions']}
                columns=${commands ? commandColumns : sessionColumns} rows=${list.rows} rowKey=${row => row.id ?? idOf(row)}
                onOpen=${row => go('session', row.session_id)} />
        <//>`
}
