// SPDX-License-Identifier: MIT
// One machine: how busy it was, who was on it, what was run; or, when it was never heard of, how to
// make it report.
import { html, useEffect, useMemo, useRef } from './html.js'
import { useLogin } from './api.js'
import { commandColumns, idOf, sessionColumns, without } from './columns.js'
import { TakeAlong } from './download.js'
import { count, percent, stamp } from './format.js'
import { useList } from './list.js'
import { MachineState, Usage, neverHeardOf } from './machines.js'
import { Ago, Chips, CopyButton, Empty, Text, Trouble } from './parts.js'
import { Plot, columns } from './plot.js'
import { useResource } from './poll.js'
import { go, link, setParams } from './router.js'
import { Table } from './table.js'
import { text } from './text.js'

const RANGES = [1, 24, 168, 720] // hours
const FIGURES = ['cpu', 'memory', 'disk']
const MOST_SESSIONS = 1000 // in the plots
const KINDS = ['min', 'mean', 'max']
const SOME = 10 // rows that are shown here; the others are in the history

// Its sessions, as far back as the plots go or as can be told apart there.
function useSessions(id, hours) {
    const list = useList('/api/sessions', { agent_id: id }, { limit: 200, every: 5000 })
    useEffect(() => {
        const oldest = list.rows.at(-1)
        if (oldest && Date.parse(oldest.started_at) > Date.now() - hours * 3600000 && list.rows.length < MOST_SESSIONS)
            list.more()
    }, [list, list.updatedAt, hours])
    return list
}

// --- its usage -----------------------------------------------------------------------------------

// Sessions as stretches of time, those that reach into the plots.
function stretchesOf(sessions, from, to) {
    return sessions.map(session => ({
        from: Date.parse(session.started_at) / 1000,
        to: session.ended_at ? Date.parse(session.ended_at) / 1000 : to,
        name: session.username || session.user_id,
    })).filter(stretch => stretch.to > from)
}

// What the plots show, as a table: for who does not see them, and to copy.
function AsTable({ usage }) {
    const cells = point => FIGURES.flatMap(name => KINDS.map(kind => point[`${name}_percent`][kind]))
    return html`<details class="as-table"><summary>${text.machine.asTable}</summary>
        <div class="scrolls" tabIndex="0" role="region" aria-label=${text.machine.asTable}><table>
            <thead>
                <tr><th scope="col" rowSpan="2">${text.columns.time}</th>
                    ${FIGURES.map(name => html`<th scope="colgroup" colSpan="3" class="right">
                        ${text.machine.percent(text.machines[name])}</th>`)}</tr>
                <tr>${FIGURES.flatMap(() => KINDS.map(kind => html`<th scope="col" class="right">${text.machine[kind]}</th>`))}</tr>
            </thead>
            <tbody>${usage.points.map(point => html`<tr key=${point.time}><th scope="row">${stamp(point.time)}</th>
                ${cells(point).map(value => html`<td class="right">${percent(value)}</td>`)}</tr>`)}</tbody>
        </table></div></details>`
}

function usePlotted(usage, hours, updatedAt) {
    return useMemo(() => {
        const to = (updatedAt || new Date()).getTime() / 1000
        const from = to - hours * 3600
        const step = usage?.step_seconds ?? 300
        const dataOf = name => columns(usage?.points ?? [], step, point => point[`${name}_percent`], from, to)
        return { from, to, step, data: Object.fromEntries(FIGURES.map(name => [name, dataOf(name)])) }
    }, [usage, hours])
}

function Plots({ id, hours, sessions }) {
    const path = `/api/machines/${encodeURIComponent(id)}/usage`
    const { data: usage, error, updatedAt, loading, refresh } = useResource(path, { hours }, { every: 15000 })
    const plotted = useRef(hours) // those before, until the data of others are there
    if (!loading)
        plotted.current = hours
    const { from, to, step, data } = usePlotted(usage, plotted.current, updatedAt)
    const stretches = useMemo(() => stretchesOf(sessions, from, to), [sessions, from, to])
    const ranges = RANGES.map(value => ({ value, title: text.machine.ranges[value] }))
    return html`<section class="plots" aria-labelledby="usage">
        <div class="section-head"><h2 id="usage">${text.machine.usage}</h2>
            <${Chips} label=${text.machine.range} options=${ranges} value=${hours}
                onChange=${value => setParams({ hours: value })} />
            <span class="muted">${text.machine.plotHint}</span></div>
        ${error && html`<${Trouble} error=${error} onRetry=${refresh} />`}
        ${FIGURES.map(name => html`<${Plot} key=${name} title=${text.machines[name]} data=${data[name]} step=${step}
            sessions=${stretches} sync=${id} />`)}
        ${usage?.points.length ? html`<${AsTable} usage=${usage} />` : usage && html`<p class="muted">${text.machine.noUsage}</p>`}
    </section>`
}

// --- who and what --------------------------------------------------------------------------------

function Sessions({ id, list }) {
    return html`<section><div class="section-head"><h2>${text.history.sessions}</h2>
            <a href=${link('history', '', { machine: id })}>${text.machine.all}</a></div>
        ${list.error && html`<${Trouble} error=${list.error} onRetry=${list.more} />`}
        <div class="listing of-sessions">${list.rows.length > 0 ? html`<${Table} label=${text.history.sessions}
                columns=${without(sessionColumns, 'machine')} rows=${list.rows.slice(0, SOME)} rowKey=${idOf}
                onOpen=${row => go('session', row.session_id)} />`
            : list.done && html`<${Empty} title=${text.machine.noSessions}><p>${text.machine.noSessionsNext}</p><//>`}</div>
    </section>`
}

// Reading commands is noted in the audit, so they are not asked for again and again.
function Commands({ id }) {
    const list = useList('/api/activity', { agent_id: id }, { limit: SOME })
    return html`<section><div class="section-head"><h2>${text.history.commands}</h2>
            <a href=${link('history', '', { show: 'commands', machine: id })}>${text.machine.all}</a>
            ${list.updatedAt && html`<button type="button" class="quiet" onClick=${() => list.refresh()}>${text.list.refresh}</button>`}</div>
        ${list.error && html`<${Trouble} error=${list.error} onRetry=${list.more} />`}
        <div class="listing of-commands">${list.rows.length > 0 ? html`<${Table} label=${text.history.commands}
                columns=${without(commandColumns, 'machine')} rows=${list.rows.slice(0, SOME)} rowKey=${row => row.id}
                onOpen=${row => go('session', row.session_id)} />`
            : list.done && html`<${Empty} title=${text.machine.noCommands} />`}</div>
    </section>`
}

const People = ({ title, ids }) => html`<div><dt>${title}</dt><dd>${ids.length
    ? ids.map(id => html`<a key=${id} href=${link('history', '', { user: id })}><${Text}>${id}<//></a> `) : text.unit.none}</dd></div>`

// Whose it is is for admins to know; others find themselves only.
function Rights({ machine: { owners, granted } }) {
    const { me } = useLogin()
    if (me.role === 'user')
        return html`<div><dt>${text.machine.rights}</dt><dd>${owners.length ? text.machine.own : text.machine.guest}</dd></div>`
    return html`<${People} title=${text.machine.owners} ids=${owners} />
        <${People} title=${text.machine.granted} ids=${granted} />`
}

function Facts({ machine }) {
    return html`<dl class="about">
        <div><dt>${text.machines.id}</dt><dd class="mono">${machine.agent_id}</dd></div>
        <div><dt>${text.machines.heard}</dt><dd class="ticks"><${Ago} time=${machine.last_active} /></dd></div>
        ${FIGURES.map(name => html`<div key=${name}><dt>${text.machines[name]}</dt>
            <dd><${Usage} value=${machine[`${name}_percent`]} /></dd></div>`)}
        <div><dt>${text.machines.sessions}</dt><dd>${count(machine.active_sessions)}</dd></div>
        <div title=${text.machines.lostHint}><dt>${text.machines.lost}</dt>
            <dd class=${machine.dropped_commands ? 'bad' : ''}>${count(machine.dropped_commands)}</dd></div>
        <${Rights} machine=${machine} />
    </dl>`
}

// --- one that was never heard of -----------------------------------------------------------------

// The service is where this page is.
function Install({ machine }) {
    const server = new URL('.', location.href).href.replace(/\/$/, '')
    const steps = text.machine.install(machine.agent_id, server)
    const { me } = useLogin()
    return html`<section class="install"><h2>${text.machine.neverTitle}</h2>
        ${me.role === 'user' && html`<p>${text.machine.askAdmin}</p>`}
        <ol>${steps.map(({ where, line }) => html`<li><p>${where}</p>
            <div class="line"><pre class="mono" tabIndex="0">${line}</pre><${CopyButton} value=${line} /></div></li>`)}</ol>
        <p class="muted">${text.machine.installed}</p>
    </section>`
}

// --- the page ------------------------------------------------------------------------------------

function Machine({ id, params }) {
    const path = `/api/machines/${encodeURIComponent(id)}`
    const hours = RANGES.find(range => String(range) === params.hours) || 24
    const { data, error, refresh } = useResource(path, {}, { every: 2000 })
    const sessions = useSessions(id, hours)
    const machine = data?.machine
    if (!machine)
        return error ? html`<${Trouble} error=${error} onRetry=${refresh} />` : html`<p class="muted">${text.list.loading}</p>`
    return html`<div class="page-head"><h1><${Text}>${machine.name}<//></h1><${MachineState} machine=${machine} />
            <${TakeAlong} path=${path} files=${false} /></div>
        ${error && html`<${Trouble} error=${error} onRetry=${refresh} />`}
        <${Facts} machine=${machine} />
        ${neverHeardOf(machine) ? html`<${Install} machine=${machine} />` : html`
            <${Plots} id=${id} hours=${hours} sessions=${sessions.rows} />
            <${Sessions} id=${id} list=${sessions} />
            <${Commands} id=${id} />`}`
}

// Another machine is another page.
export const Page = ({ id, params }) => html`<${Machine} key=${id} id=${id} params=${params} />`
