// SPDX-License-Identifier: MIT
// Ends sessions: asks, with the very line that each user will read, and then shows the receipt as it
// comes: requested, delivered, processes gone, confirmed.
import { html, useEffect, useRef, useState } from './html.js'
import { request } from './api.js'
import { clock, duration, stamp, visible } from './format.js'
import { Dialog } from './keys.js'
import { lookUp } from './live.js'
import { Ago, CopyButton, Cut, State, Text, Trouble, useNow } from './parts.js'
import { useResource } from './poll.js'
import { link } from './router.js'
import { text } from './text.js'

const REASON_MAX = 200 // characters that the API takes
const LOOK_MS = 300 // between two looks at a receipt; those of many sessions take turns
const SLOW_MS = 10000 // from which on the page says that the machine does not answer
const RETRY_MS = 2000
const ONCE = { every: 3600000 } // the audit notes each look

// --- asking --------------------------------------------------------------------------------------

function LastCommands({ session }) {
    const { data, error } = useResource(`/api/sessions/${encodeURIComponent(session.session_id)}/activity`, { limit: 3 }, ONCE)
    const rows = data?.activities
    if (error && !rows)
        return html`<${Trouble} error=${error} />`
    if (rows && !rows.length)
        return html`<p class="muted">${session.recorded ? text.end.noCommands : text.now.notRecorded(visible(session.not_recorded_reason))}</p>`
    return html`<ol class="last">${(rows ?? []).map(row => html`<li key=${row.id}>
        <time dateTime=${row.timestamp} title=${stamp(row.timestamp)}>${clock(row.timestamp)}</time>
        <${Cut} mono>${row.command}<//>
        ${row.success === false && html`<${State} kind="failed">${text.now.failed}<//>`}</li>`)}</ol>`
}

function One({ session }) {
    return html`<dl class="facts">
        <div><dt>${text.end.who}</dt><dd><b><${Text}>${session.username}<//></b> <span class="muted"><${Text}>${session.user_id}<//></span></dd></div>
        <div><dt>${text.end.machine}</dt><dd><b><${Text}>${session.machine_name}<//></b> <span class="muted">${session.agent_id}</span></dd></div>
        <div><dt>${text.end.since}</dt><dd><${Ago} time=${session.started_at} /> <span class="muted">${stamp(session.started_at)}</span></dd></div>
        <div><dt>${text.end.last}</dt><dd><${LastCommands} session=${session} /></dd></div>
    </dl>`
}

function Many({ sessions }) {
    return html`<ul class="many">${sessions.map(session => html`<li key=${session.session_id}>
        <${Cut}>${session.username}<//><${Cut}>${session.machine_name}<//><${Ago} time=${session.started_at} /></li>`)}</ul>`
}

// As vsay-shell prints it, in a terminal of its own colours.
function Preview({ who, reason, label }) {
    return html`<figure class="preview"><figcaption class="muted">${label}</figcaption>
        <output class="mono" for="reason"><${Text}>${text.end.line(who, reason)}<//></output></figure>`
}

function Ask({ sessions, me, onEnd, onClose }) {
    const [reason, setReason] = useState('')
    const [first] = sessions
    const many = sessions.length > 1
    const submit = event => {
        event.preventDefault()
        onEnd(reason.trim())
    }
    return html`<form onSubmit=${submit}>
        <h2>${many ? text.end.titleMany(sessions.length) : text.end.title}</h2>
        <p class="muted">${many ? text.end.effectMany : text.end.effect}</p>
        ${many ? html`<${Many} sessions=${sessions} />` : html`<${One} session=${first} />`}
        <label for="reason">${text.end.reason} <span class="muted" id="reason-hint">${text.end.reasonHint}</span></label>
        <input id="reason" type="text" maxlength=${REASON_MAX} autocomplete="off" autofocus aria-describedby="reason-hint" value=${reason}
            onInput=${event => setReason(event.target.value)} />
        <${Preview} who=${me.username} reason=${reason.trim()} label=${many ? text.end.previewMany : text.end.preview(visible(first.username))} />
        <p class="buttons"><button type="button" onClick=${onClose}>${text.end.cancel}</button>
            <button type="submit" class="ends">${many ? text.end.submitMany(sessions.length) : text.end.submit}</button></p>
    </form>`
}

// --- the request, and what becomes of it ---------------------------------------------------------

const pause = ms => new Promise(resolve => { setTimeout(resolve, ms) })

// Repeats what may be repeated: asking again for the same end changes nothing. Closing the dialog stops
// that, but no request that is on its way.
async function order(session, reason, tell, signal) {
    const path = `/api/terminal/sessions/${encodeURIComponent(session.session_id)}`
    for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(30000, wait * 2)) {
        try {
            return await request(path, { method: 'DELETE', params: { reason } })
        } catch (error) {
            if (!error.passes && error.status !== 401)
                throw error
            const delay = Math.max(wait, (error.retryAfter ?? 0) * 1000)
            tell({ retryAt: Date.now() + delay })
            await pause(delay)
        }
    }
    return null
}

// Looks at the receipt until it is final.
async function watch(session, every, tell, signal) {
    while (!signal.aborted) {
        const found = await lookUp(session, { signal }).catch(() => undefined) // the next look may reach it
        if (found)
            tell({ session: found })
        if (found === null || isFinal(found))
            return
        await pause(every)
    }
}

const isFinal = session => session?.status === 'closed' && (!session.termination || session.termination.outcome !== null)

// {session, sentAt, doneAt, retryAt, error}
function useEnding(session, reason, every) {
    const [state, setState] = useState({ session: null, sentAt: Date.now(), retryAt: null })
    useEffect(() => {
        const abort = new AbortController()
        const tell = members => !abort.signal.aborted && setState(old => ({ ...old, ...members,
            doneAt: old.doneAt ?? (isFinal(members.session) ? Date.now() : null) }))
        order(session, reason, tell, abort.signal)
            .then(() => tell({ retryAt: null, accepted: true }))
            .then(() => watch(session, every, tell, abort.signal))
            .catch(error => tell({ error }))
        return () => abort.abort()
    }, [])
    return state
}

// --- the receipt ---------------------------------------------------------------------------------

// The four steps: [{name, time, note, failed}]; a time is null until the step is done.
function stepsOf({ session }) {
    const receipt = session?.termination
    const bad = receipt?.outcome && receipt.outcome !== 'confirmed'
    const by = receipt && text.end.requestedBy(visible(receipt.requested_by_username))
    return [
        { name: 'requested', time: receipt?.requested_at, note: by },
        { name: 'delivered', time: receipt?.delivered_at, note: receipt && text.end.deliveredNote(receipt.attempts), skipped: bad && !receipt.delivered_at },
        { name: 'gone', time: bad ? null : session?.ended_at, note: text.end.goneNote[session?.close_reason], failed: bad },
        { name: 'confirmed', time: bad ? null : receipt?.confirmed_at, note: text.end.confirmedNote, failed: bad },
    ]
}

function Step({ step, current, failed }) {
    const state = step.failed ? 'failed' : step.time ? 'done' : current ? 'current' : 'ahead'
    const note = state === 'done' ? step.note : state === 'current' && !failed ? text.end.waiting[step.name] : ''
    return html`<li class=${`step ${state}`} aria-current=${state === 'current' ? 'step' : undefined}>
        <span class="mark" aria-hidden="true"></span>
        <span class="name">${text.end[step.name]}${state === 'failed' && html` <span class="bad">${text.end.unknown}</span>`}</span>
        <span class="note">${note}</span>
        ${step.time ? html`<time dateTime=${step.time} title=${stamp(step.time)}>${clock(step.time)}</time>` : html`<span></span>`}
    </li>`
}

const seconds = ms => text.end.seconds((ms / 1000).toFixed(1))

// The outcome in a sentence; while there is none, what the page waits for.
function Verdict({ state, offline }) {
    const now = useNow()
    const { session, error, retryAt, sentAt, doneAt } = state
    const outcome = session?.termination?.outcome
    if (error)
        return html`<p class="verdict bad">${error.status === 403 ? text.end.forbidden : error.status === 404 ? text.trouble.missing
            : text.end.failed(visible(error.message))}</p>`
    if (retryAt)
        return html`<p class="verdict">${text.end.retrying}${' '}
            <span aria-hidden="true">${text.status.again(Math.ceil((retryAt - now) / 1000))}</span></p>`
    if (outcome === 'confirmed')
        return html`<p class="verdict sure"><b>${text.end.certain}</b> ${text.end.took(seconds(doneAt - sentAt))}</p>`
    if (outcome)
        return html`<p class="verdict bad">${text.end[outcome]}</p>`
    if (isFinal(session))
        return html`<p class="verdict">${text.end.already}</p>`
    if (offline || now - sentAt > SLOW_MS)
        return html`<p class="verdict muted">${text.end.slow}</p>`
    return html`<p class="verdict muted" aria-hidden="true">${text.end.elapsed(duration((now - sentAt) / 1000))}</p>`
}

// state: {session}
export function Steps({ state }) {
    const steps = stepsOf(state)
    const current = steps.findIndex(step => !step.time && !step.failed && !step.skipped)
    return html`<ol class="steps">${steps.map((step, i) => html`<${Step} key=${step.name} step=${step} current=${i === current} failed=${state.error} />`)}</ol>`
}

export function plain(session) {
    const lines = stepsOf({ session }).map(step => `${text.end[step.name]}: ${step.time ?? text.unit.none}`)
    return [`${session.session_id}: ${session.username}, ${session.machine_name}`, ...lines,
        `${session.termination?.outcome ?? session.status}${session.termination?.reason ? `, ${session.termination.reason}` : ''}`].join('\n')
}

function ReceiptOfOne({ session, reason, me, onClose }) {
    const state = useEnding(session, reason, LOOK_MS)
    const close = useRef()
    useEffect(() => close.current.focus(), [])
    return html`<div class="receipt">
        <h2>${isFinal(state.session) ? text.end.over : text.end.under}</h2>
        <p class="muted"><${Text}>${session.username}<//> · <${Text}>${session.machine_name}<//></p>
        <${Preview} who=${me.username} reason=${reason} label=${(state.session?.termination?.delivered_at ? text.end.read : text.end.preview)(visible(session.username))} />
        <div aria-live="polite"><${Steps} state=${state} /><${Verdict} state=${state} offline=${session.offline} /></div>
        <p class="buttons">
            ${state.doneAt && html`<${CopyButton} label=${text.end.copy} value=${plain(state.session)} />`}
            <a class="button" href=${link('session', session.session_id)} onClick=${onClose}>${text.end.open}</a>
            <button type="button" class="main" ref=${close} onClick=${onClose}>${state.retryAt ? text.end.cancel : text.end.close}</button></p>
    </div>`
}

// A line of many: the steps as dots, and the word of the last one.
function ReceiptLine({ session, reason, every, onDone }) {
    const state = useEnding(session, reason, every)
    const steps = stepsOf(state)
    const last = steps.filter(step => step.time).at(-1)
    const outcome = state.session?.termination?.outcome
    useEffect(() => {
        if (state.doneAt || state.error)
            onDone(session.session_id)
    }, [state.doneAt, state.error])
    const word = state.error ? (state.error.status === 403 ? text.end.forbiddenShort : visible(state.error.message))
        : outcome && outcome !== 'confirmed' ? text.how[outcome] : last ? text.end[last.name] : text.end.waiting.requested
    return html`<li><${Cut}>${session.username}<//><${Cut}>${session.machine_name}<//>
        <span class="dots" aria-hidden="true">${steps.map(step => html`<i key=${step.name} class=${step.failed || state.error ? 'failed' : step.time ? 'done' : ''}></i>`)}</span>
        <span class=${state.error || (outcome && outcome !== 'confirmed') ? 'bad cut' : 'cut'} title=${word}>${word}</span>
        ${last ? html`<time dateTime=${last.time}>${clock(last.time)}</time>` : html`<span></span>`}</li>`
}

function ReceiptOfMany({ sessions, reason, onClose }) {
    const [done, setDone] = useState(new Set())
    const close = useRef()
    useEffect(() => close.current.focus(), [])
    const every = Math.max(LOOK_MS, sessions.length * 100)
    return html`<div class="receipt">
        <h2>${text.end.receipt}</h2>
        <p role="status">${text.end.receipts(done.size, sessions.length)}</p>
        <ul class="many">${sessions.map(session => html`<${ReceiptLine} key=${session.session_id} session=${session} reason=${reason} every=${every}
            onDone=${id => setDone(old => new Set(old).add(id))} />`)}</ul>
        <p class="buttons"><button type="button" class="main" ref=${close} onClick=${onClose}>${text.end.close}</button></p>
    </div>`
}

// sessions: as the lists have them; me: who ends them.
export function EndDialog({ sessions, me, onClose }) {
    const [reason, setReason] = useState(null) // null: not decided
    const label = sessions.length > 1 ? text.end.titleMany(sessions.length) : text.end.title
    return html`<${Dialog} label=${reason === null ? label : text.end.receipt} className="end" onClose=${onClose}>
        ${reason === null ? html`<${Ask} sessions=${sessions} me=${me} onEnd=${setReason} onClose=${onClose} />`
            : sessions.length > 1 ? html`<${ReceiptOfMany} sessions=${sessions} reason=${reason} onClose=${onClose} />`
            : html`<${ReceiptOfOne} session=${sessions[0]} reason=${reason} me=${me} onClose=${onClose} />`}
    <//>`
}
