// SPDX-License-Identifier: MIT
// One session: who, where and when, what became of the request to end it, and all that was run in it.
import { html, useEffect, useRef, useState } from './html.js'
import { useLogin } from './api.js'
import { asText, commandColumns, lasted, SessionState, When, without } from './columns.js'
import { TakeAlong } from './download.js'
import { EndDialog, Steps, plain } from './end.js'
import { duration, howEnded } from './format.js'
import { useList } from './list.js'
import { Ago, CopyButton, Empty, Text, Trouble, useNow } from './parts.js'
import { useResource } from './poll.js'
import { mayEnd, useRights } from './rights.js'
import { link } from './router.js'
import { Rows } from './rows.js'
import { Table } from './table.js'
import { text } from './text.js'

const ONCE = 3600000 // ms

const over = session => session.status === 'closed' && (!session.termination || session.termination.outcome !== null)

// A look at a session is noted in the audit, so it is looked at once; what changes is followed in the
// list of sessions, where the filters leave no more than those that this user began there in the same
// second. {session, error, refresh}
function useSession(id) {
    const first = useResource(`/api/sessions/${encodeURIComponent(id)}`, {}, { every: ONCE })
    const known = useRef(null)
    const given = first.data?.session
    if (given && known.current?.session_id !== given.session_id)
        known.current = given
    const near = useResource(known.current && !over(known.current) ? '/api/sessions' : null, nearBy(known.current))
    const found = near.data?.sessions.find(session => session.session_id === id)
    if (found)
        known.current = found
    return { session: known.current, error: first.error || near.error, refresh: first.error ? first.refresh : near.refresh }
}

function nearBy(session) {
    if (!session)
        return {}
    const next = new Date(Date.parse(session.started_at) + 1000).toISOString()
    return { agent_id: session.agent_id, user_id: session.user_id, from: session.started_at, to: next }
}

// Its commands, which are asked for again when there is something new, and while one runs.
function useCommands(id, session) {
    const list = useList(`/api/sessions/${encodeURIComponent(id)}/activity`, {})
    const runs = session?.status === 'active' && list.rows.some(row => row.success === null)
    const now = session && [session.status, session.commands, session.last_activity_at].join()
    const seen = useRef(now)
    useEffect(() => {
        if (seen.current !== undefined && seen.current !== now)
            list.refresh()
        seen.current = now
    }, [now])
    useEffect(() => {
        const timer = runs ? setInterval(() => document.hidden || list.refresh(), 5000) : null
        return () => clearInterval(timer)
    }, [runs, list])
    return list
}

function Fact({ title, children }) {
    return !children && children !== 0 ? null : html`<div><dt>${title}</dt><dd>${children}</dd></div>`
}

function Lasted({ session }) {
    const now = useNow()
    return duration(lasted(session, now))
}

function Facts({ session }) {
    const words = text.session
    const active = session.status !== 'closed'
    return html`<dl class="about">
        <${Fact} title=${words.user}><a href=${link('history', '', { user: session.user_id })}><${Text}>${session.user_id}<//></a><//>
        <${Fact} title=${words.machine}><a href=${link('machine', session.agent_id)}><${Text}>${session.machine_name}<//></a><//>
        <${Fact} title=${words.source}>${[text.source[session.source], session.browser, session.os].filter(Boolean).join(' · ')}<//>
        <${Fact} title=${words.from}>${session.source_address}<//>
        <${Fact} title=${words.started}><${When} time=${session.started_at} /><//>
        <${Fact} title=${words.ended}>${session.ended_at && html`<${When} time=${session.ended_at} />`}<//>
        <${Fact} title=${words.lasted}><span class="ticks"><${Lasted} session=${session} /></span><//>
        <${Fact} title=${words.last}>${active && session.last_activity_at && html`
            <span class="ticks"><${Ago} time=${session.last_activity_at} /></span>`}<//>
        <${Fact} title=${words.how}>${howEnded(session)}<//>
        <${Fact} title=${words.exit}>${session.exit_code}<//>
        <${Fact} title=${words.recorded}>${session.recorded ? words.yes
            : html`<span class="bad">${words.notRecorded}</span> <${Text}>${session.not_recorded_reason || ''}<//>`}<//>
        <${Fact} title=${words.id}><span class="mono">${session.session_id}</span><//>
    </dl>`
}

function Receipt({ session }) {
    const receipt = session.termination
    if (!receipt)
        return null
    const verdict = receipt.outcome === 'confirmed' ? 'certain' : receipt.outcome ?? (over(session) ? 'already' : 'underWay')
    const tone = { certain: '', already: '', underWay: 'muted' }
    return html`<section class="receipt" aria-labelledby="receipt"><div class="section-head"><h2 id="receipt">${text.end.receipt}</h2>
            <${CopyButton} value=${plain(session)} label=${text.end.copy} /></div>
        ${receipt.reason && html`<p>${text.session.reason} <${Text}>${receipt.reason}<//></p>`}
        <div aria-live="polite"><${Steps} state=${{ session }} />
            <p class=${`verdict ${tone[verdict] ?? 'bad'}`}>${text.end[verdict] ?? text.session[verdict]}</p></div></section>`
}

function Commands({ id, session }) {
    const list = useCommands(id, session)
    const path = `/api/sessions/${encodeURIComponent(id)}/activity`
    const empty = session.recorded ? text.session.noCommands : text.session.noRecord
    return html`<section aria-labelledby="commands"><div class="section-head"><h2 id="commands">${text.history.commands}</h2>
            <${TakeAlong} path=${path} name=${id} copy=${asText(list.rows)} /></div>
        <${Rows} list=${list} live=${!over(session)} kind="commands" empty=${html`<${Empty} title=${empty.title}><p>${empty.next}</p><//>`}>
            <${Table} label=${text.history.commands} columns=${without(commandColumns, 'who', 'machine', 'source')} rows=${list.rows}
                rowKey=${row => row.id} />
        <//></section>`
}

function Session({ id }) {
    const { session, error, refresh } = useSession(id)
    const { me } = useLogin()
    useRights()
    const [ending, setEnding] = useState(false)
    if (!session)
        return error ? html`<${Trouble} error=${error} onRetry=${refresh} />` : html`<p class="muted">${text.list.loading}</p>`
    const may = session.status === 'active' && mayEnd(session, me)
    return html`<div class="page-head"><h1><${Text}>${session.username || session.user_id}<//>
                <span class="muted"> ${text.session.on} </span><${Text}>${session.machine_name}<//></h1>
            <${SessionState} session=${session} />
            ${may && html`<button type="button" class="ends" onClick=${() => setEnding(true)}>${text.now.end} …</button>`}</div>
        ${error && html`<${Trouble} error=${error} onRetry=${refresh} />`}
        <${Facts} session=${session} />
        <${Receipt} session=${session} />
        <${Commands} id=${id} session=${session} />
        ${ending && html`<${EndDialog} sessions=${[session]} me=${me} onClose=${() => setEnding(false)} />`}`
}

// Another session is another page.
export const Page = ({ id }) => html`<${Session} key=${id} id=${id} />`
