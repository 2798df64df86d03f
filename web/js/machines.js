// SPDX-License-Identifier: MIT
// All machines that somebody may see, also those that were never heard of.
import { html, useEffect } from './html.js'
import { TakeAlong } from './download.js'
import { Field } from './fields.js'
import { count, percent } from './format.js'
import { useList } from './list.js'
import { Ago, Bar, Chips, Cut, Empty, State } from './parts.js'
import { useResource } from './poll.js'
import { go, link, setParams } from './router.js'
import { Rows } from './rows.js'
import { Table } from './table.js'
import { text } from './text.js'

export const neverHeardOf = machine => machine.last_active === null

export const MachineState = ({ machine }) => html`<${State} kind=${machine.status}>
    ${neverHeardOf(machine) ? text.machines.never : text.state[machine.status]}<//>`

// A percentage as a number and a bar; what is nearly used up is marked by a word, too.
export function Usage({ value, full = 90 }) {
    if (value === null)
        return html`<span class="usage">${text.unit.none}</span>`
    return html`<span class=${`usage${value >= full ? ' high' : ''}`} title=${value >= full ? text.machines.high : undefined}>
        <${Bar} value=${value} /><span class="number">${percent(value)}</span><span class="unit">%</span></span>`
}

const figure = name => ({
    key: name, title: text.machines[name], align: 'right', down: true,
    value: row => row[`${name}_percent`], cell: row => html`<${Usage} value=${row[`${name}_percent`]} />`,
})

const columns = [
    {
        key: 'status', title: text.columns.state, value: row => `${row.status}${neverHeardOf(row)}`,
        cell: row => html`<${MachineState} machine=${row} />`,
    },
    {
        key: 'name', title: text.machines.name, value: row => row.name,
        cell: row => html`<a href=${link('machine', row.agent_id)} tabIndex="-1"><${Cut}>${row.name}<//></a>`,
    },
    { key: 'id', title: text.machines.id, value: row => row.agent_id, cell: row => html`<${Cut} mono>${row.agent_id}<//>` },
    figure('cpu'),
    figure('memory'),
    figure('disk'),
    {
        key: 'sessions', title: text.machines.sessions, align: 'right', down: true,
        value: row => row.active_sessions, cell: row => count(row.active_sessions),
    },
    {
        key: 'lost', title: text.machines.lost, align: 'right', down: true, value: row => row.dropped_commands,
        cell: row => html`<span class=${row.dropped_commands ? 'bad' : ''} title=${text.machines.lostHint}>
            ${count(row.dropped_commands)}</span>`,
    },
    {
        key: 'heard', title: text.machines.heard, align: 'right', down: true,
        value: row => row.last_active, cell: row => html`<${Ago} time=${row.last_active} />`,
    },
]

// How many are well: of all that somebody sees, whatever is filtered.
function states(stats) {
    const { online_count: online, offline_count: offline } = stats ?? {}
    const counts = stats ? { '': online + offline, online, offline } : {}
    return ['', 'online', 'offline'].map(value => ({ value, title: text.machines.states[value], count: counts[value] }))
}

function Nothing({ filtered }) {
    if (filtered)
        return html`<${Empty} title=${text.machines.noMatch}>
            <button type="button" onClick=${() => setParams({ q: '', status: '' })}>${text.history.clear}</button><//>`
    return html`<${Empty} title=${text.machines.empty}><p>${text.machines.emptyNext}</p>
        <p class="command mono">${text.machines.emptyCommand}</p><//>`
}

// Only rows that are all there can be sorted, so all are loaded then.
function useAll(list, wanted) {
    useEffect(() => {
        if (wanted && !list.loading && !list.error)
            list.more()
    }, [wanted, list, list.loading, list.error, list.updatedAt])
}

export function Page({ params }) {
    const { q, status, sort, down } = params
    const query = { q, status }
    const list = useList('/api/machines', query, { limit: 1000, every: 5000 })
    const stats = useResource('/api/dashboard/stats', {}, { every: 5000 })
    useAll(list, sort)
    return html`<div class="page-head"><h1>${text.machines.title}</h1>
            <${Chips} label=${text.columns.state} options=${states(stats.data)} value=${status || ''}
                onChange=${value => setParams({ status: value })} />
            <${TakeAlong} path="/api/machines" params=${query} name="machines" />
        </div>
        <search class="filters"><${Field} label=${text.history.search} type="search" value=${q} maxLength="200"
            placeholder=${text.machines.search} onChange=${value => setParams({ q: value })} /></search>
        <${Rows} list=${list} live kind="machines" empty=${html`<${Nothing} filtered=${Boolean(q || status)} />`}>
            <${Table} label=${text.machines.title} columns=${columns} rows=${list.rows} rowKey=${row => row.agent_id}
                sort=${sort ? { key: sort, down: down === '1' } : undefined}
                onSort=${next => setParams({ sort: next.key, down: next.down ? '1' : '' })}
                onOpen=${row => go('machine', row.agent_id)} />
        <//>`
}
