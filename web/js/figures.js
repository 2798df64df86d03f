// SPDX-License-Identifier: MIT
// The fleet in four figures, each with the last 24 hours below it.
import { html } from './html.js'
import { count, percent } from './format.js'
import { Trouble, useNow } from './parts.js'
import { Sparkline } from './plot.js'
import { useResource } from './poll.js'
import { text } from './text.js'

const HOURS = 24
const USAGE_MS = 60000 // a point is of five minutes

function Number({ value, unit, label }) {
    return html`<span class="number"><b>${value}</b>${unit && html`<span class="unit">${unit}</span>`}${label
        && html` <span class="unit">${label}</span>`}</span>`
}

function Figure({ title, usage, from, to, lines, ceiling, children }) {
    return html`<div class="figure"><h2>${title}</h2><p>${children}</p>
        <div class="lines">${lines.map(valueOf => html`<${Sparkline} points=${usage?.points ?? []} step=${usage?.step_seconds ?? 300}
            valueOf=${valueOf} from=${from} to=${to} ceiling=${ceiling} label=${`${title}, ${text.now.day}`} />`)}</div>
    </div>`
}

// Sessions on machines that are offline are in no figure of the API either.
const counts = row => !row.goneAt && !row.offline && row.status === 'active'

export function Figures({ sessions }) {
    const stats = useResource('/api/dashboard/stats')
    const usage = useResource('/api/dashboard/usage', { hours: HOURS }, { every: USAGE_MS })
    const to = Math.floor(useNow() / USAGE_MS) * USAGE_MS / 1000
    const span = { usage: usage.data, from: to - HOURS * 3600, to }
    const s = stats.data
    if (stats.error && !s)
        return html`<div class="figures"><${Trouble} error=${stats.error} onRetry=${stats.refresh} /></div>`
    const there = sessions.rows.filter(counts)
    const mean = key => point => point[key]?.mean
    return html`<section class="figures" aria-label=${text.now.figures}>
        <${Figure} title=${text.now.machines} ...${span} lines=${[mean('online')]}>
            <${Number} value=${count(s?.online_count)} label=${s && (s.offline_count ? text.now.offline(s.offline_count) : text.now.allOnline)} /><//>
        <${Figure} title=${text.now.sessions} ...${span} lines=${[mean('active_sessions')]}>
            <${Number} value=${sessions.loading ? text.unit.none : `${count(there.length)}${sessions.more ? '+' : ''}`}
                label=${!sessions.loading && text.now.people(new Set(there.map(row => row.user_id)).size)} /><//>
        <${Figure} title=${text.now.cpu} ...${span} lines=${[mean('cpu_percent')]} ceiling=${100}>
            <${Number} value=${percent(s?.avg_cpu)} unit="%" label=${text.now.mean} /><//>
        <${Figure} title=${text.now.memoryAndDisk} ...${span} lines=${[mean('memory_percent'), mean('disk_percent')]} ceiling=${100}>
            <${Number} value=${percent(s?.avg_memory)} unit="%" label=${text.now.memory} /> <${Number} value=${percent(s?.avg_disk)} unit="%" label=${text.now.disk} /><//>
    </section>`
}
