// SPDX-License-Identifier: MIT
// The commands as they are run, the newest first.
import { html, useRef } from './html.js'
import { clock, stamp, visible } from './format.js'
import { Cut, Empty, State, Trouble } from './parts.js'
import { link } from './router.js'
import { text } from './text.js'

function Mark({ success, exit_code: code }) {
    if (success === false)
        return html`<span title=${code == null ? undefined : text.result.failed(code)}><${State} kind="failed">${text.now.failed}<//></span>`
    return success === null ? html`<${State} kind="running">${text.now.running}<//>` : null
}

function Line({ row, fresh }) {
    return html`<li class=${fresh ? 'fresh' : ''}>
        <time dateTime=${row.timestamp} title=${stamp(row.timestamp)} data-copy=${stamp(row.timestamp)}>${clock(row.timestamp)}</time>
        <a class="who" href=${row.session_id && link('session', row.session_id)} title=${`${visible(row.username)}, ${visible(row.machine_name)}`}><${Cut} title="">${row.username}<//></a>
        <span class="where"><${Cut}>${row.machine_name}<//></span>
        <${Cut} mono>${row.command}<//>
        <${Mark} ...${row} />
    </li>`
}

// The ids that were there when the list was first shown are no news.
function useNews(rows) {
    const old = useRef(null)
    if (rows && !old.current)
        old.current = new Set(rows.map(({ id }) => id))
    return row => !old.current?.has(row.id)
}

export function Stream({ stream }) {
    const { rows } = stream
    const isNews = useNews(rows)
    return html`<section class="stream" aria-labelledby="stream-title"><div class="stays">
        <div class="head"><h2 id="stream-title">${text.now.stream}</h2>
            <a href=${link('history', '', { show: 'commands' })}>${text.now.streamMore}</a></div>
        ${stream.error && !rows && html`<${Trouble} error=${stream.error} onRetry=${stream.refresh} />`}
        ${rows && !rows.length && html`<${Empty} title=${text.now.streamEmpty}><p>${text.now.streamNext}</p><//>`}
        ${rows?.length > 0 && html`<ol tabIndex="0" aria-labelledby="stream-title">${rows.map(row => html`<${Line} key=${row.id} row=${row} fresh=${isNews(row)} />`)}</ol>`}
    </div></section>`
}
