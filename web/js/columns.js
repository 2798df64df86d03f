// SPDX-License-Identifier: MIT
// The columns in which sessions and commands are shown, on all pages that list what was.
import { html } from './html.js'
import { count, duration, howEnded, moment, stamp, visible } from './format.js'
import { Cut, State } from './parts.js'
import { link } from './router.js'
import { text } from './text.js'

export const idOf = session => session.session_id

// A time of the past: the clock for today, the whole time on hover and when copied.
export const When = ({ time }) => (time
    ? html`<time dateTime=${time} title=${stamp(time)} data-copy=${stamp(time)}>${moment(time)}</time>`
    : text.unit.none)

export const SessionState = ({ session }) => html`<${State} kind=${session.status} />`

// Seconds that it has lasted.
export function lasted(session, now = Date.now()) {
    const end = session.ended_at ? Date.parse(session.ended_at) : now
    return Math.max(0, (end - Date.parse(session.started_at)) / 1000)
}

// The result of a command: its kind, and a word.
function resultOf({ success, exit_code: code }) {
    if (success === null)
        return ['running', text.result.running]
    return success ? ['ok', text.result.ok] : ['failed', text.result.failed(code)]
}

function Result({ command }) {
    const [kind, word] = resultOf(command)
    return html`<${State} kind=${kind}>${word}<//>`
}

// Commands as lines of text, as they were run.
export const asText = commands => commands.map(command =>
    `${stamp(command.timestamp)}\t${resultOf(command)[1]}\t${command.command}\n`).reverse().join('')

// Tab goes from table to table, not through all links of all rows.
function Who({ row }) {
    const show = row.command === undefined ? '' : 'commands'
    return html`<a href=${link('history', '', { show, user: row.user_id })} tabIndex="-1">
        <${Cut} title=${row.user_id}>${row.username || row.user_id}<//></a>`
}

const Machine = ({ row }) => html`<a href=${link('machine', row.agent_id)} tabIndex="-1"><${Cut} title=${row.agent_id}>${
    row.machine_name || row.agent_id}<//></a>`

// How many there are; and where that is not all of them, why.
function Commands({ session: { commands, recorded, not_recorded_reason: why } }) {
    if (recorded)
        return count(commands)
    const word = commands ? text.columns.part(count(commands)) : text.now.notRecordedShort
    return html`<${Cut} title=${text.now.notRecorded(visible(why))}>${word}<//>`
}

const who = { key: 'who', title: text.columns.who, cell: row => html`<${Who} row=${row} />` }
const machine = { key: 'machine', title: text.columns.machine, cell: row => html`<${Machine} row=${row} />` }
const source = { key: 'source', title: text.columns.source, cell: row => text.source[row.source] ?? row.source }

export const sessionColumns = [
    { key: 'state', title: text.columns.state, cell: row => html`<${SessionState} session=${row} />` },
    who,
    machine,
    source,
    { key: 'started', title: text.columns.started, cell: row => html`<${When} time=${row.started_at} />` },
    { key: 'lasted', title: text.columns.lasted, align: 'right', cell: row => duration(lasted(row)) },
    { key: 'commands', title: text.columns.commands, align: 'right', cell: row => html`<${Commands} session=${row} />` },
    { key: 'how', title: text.columns.how, cell: row => html`<${Cut}>${howEnded(row)}<//>` },
]

export const commandColumns = [
    { key: 'time', title: text.columns.time, cell: row => html`<${When} time=${row.timestamp} />` },
    { key: 'result', title: text.columns.result, cell: row => html`<${Result} command=${row} />` },
    { key: 'command', title: text.columns.command, cell: row => html`<${Cut} mono>${row.command}<//>` },
    who,
    machine,
    source,
]

export const without = (columns, ...keys) => columns.filter(({ key }) => !keys.includes(key))
