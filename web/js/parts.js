// SPDX-License-Identifier: MIT
// Small parts of which the pages are made.
import { html, useEffect, useState } from './html.js'
import { ago, harmless, stamp, visible } from './format.js'
import { text } from './text.js'

// A clock for relative times: all that use it are rendered together.
const tickers = new Set()
setInterval(() => {
    if (!document.hidden)
        tickers.forEach(tick => tick(Date.now()))
}, 1000)

export function useNow() {
    const [now, setNow] = useState(Date.now())
    useEffect(() => {
        tickers.add(setNow)
        return () => tickers.delete(setNow)
    }, [])
    return now
}

// What somebody else wrote, as text that can do nothing to what is around it.
export const Text = ({ children }) => html`<bdi>${visible(children)}</bdi>`

// One line, cut where there is no room; whole on hover and when copied.
export function Cut({ children, mono = false, title }) {
    const raw = String(children ?? '')
    return html`<span class=${mono ? 'cut mono' : 'cut'} title=${title ?? visible(raw)} data-copy=${harmless(raw)}><${Text}>${raw}<//></span>`
}

// How long ago; the whole time on hover and when copied.
export function Ago({ time, prefix = '' }) {
    const now = useNow()
    return time ? html`<time dateTime=${time} title=${stamp(time)} data-copy=${stamp(time)}>${prefix}${ago(time, now)}</time>`
        : text.unit.none
}

// options: [{value, title, count}]
export function Chips({ label, options, value, onChange }) {
    return html`<div class="chips" role="group" aria-label=${label}>
        ${options.map(option => html`<button type="button" key=${option.value} aria-pressed=${option.value === value}
            onClick=${() => onChange(option.value)}>${option.title}${option.count == null ? null
                : html` <span class="count">${option.count}</span>`}</button>`)}
    </div>`
}

const SHAPES = {
    active: '●', online: '●', closing: '◐', running: '◌', offline: '○', closed: '○', failed: '✕', ok: '✓',
}

// A state as a shape and a word. kind: one of SHAPES; `bad` is what failed.
export function State({ kind, bad = kind === 'failed', children }) {
    return html`<span class=${`state ${kind}${bad ? ' bad' : ''}`}><span class="shape" aria-hidden="true">${SHAPES[kind]}</span>${children
        ?? text.state[kind]}</span>`
}

// Beside the number that it shows.
export function Bar({ value, max = 100 }) {
    const width = `${Math.min(100, Math.max(0, (value ?? 0) / max * 100))}%`
    return html`<span class="bar" aria-hidden="true"><span style=${{ width }}></span></span>`
}

export function CopyButton({ value, label = text.parts.copy }) {
    const [copied, setCopied] = useState(false)
    const copy = async () => {
        await copyText(value)
        setCopied(true)
        setTimeout(() => setCopied(false), 2000)
    }
    return html`<button type="button" class="quiet" onClick=${copy}>${copied ? text.parts.copied : label}</button>`
}

// navigator.clipboard is there on HTTPS and localhost only.
export async function copyText(value) {
    if (navigator.clipboard)
        return navigator.clipboard.writeText(value)
    const area = document.createElement('textarea')
    area.value = value
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
    return undefined
}

export function Empty({ title, children }) {
    return html`<div class="empty"><p class="first">${title}</p>${children}</div>`
}

function whatHappened(error) {
    switch (error.status) {
    case 0: return text.trouble.noReply
    case 403: return text.trouble.forbidden
    case 404: return text.trouble.missing
    case 429: case 503: return text.trouble.busy
    }
    return error.status >= 500 ? text.trouble.broken : text.trouble.refused(error.message)
}

// An error: what happened, and what the page does about it.
export function Trouble({ error, onRetry }) {
    return html`<div class="trouble" role="alert">
        <p class="first">${whatHappened(error)}</p>
        ${error.requestId && html`<p class="muted">${text.trouble.request(error.requestId)}</p>`}
        ${onRetry && error.passes && html`<button type="button" onClick=${onRetry}>${text.trouble.retry}</button>`}
    </div>`
}

// --- copying what is selected ----------------------------------------------------------------------

// Cells with tabs and rows with line ends; what is cut or relative in full.
function wholeText(range) {
    const around = range.commonAncestorContainer
    const element = around.nodeType === Node.TEXT_NODE ? around.parentElement : around
    const inside = element.closest('[data-copy]')
    if (inside && (inside.localName === 'time' || String(range) === inside.textContent))
        return inside.dataset.copy
    const copy = range.cloneContents()
    if (!copy.querySelector('tr, [data-copy]'))
        return null
    copy.querySelectorAll('[data-copy]').forEach(part => part.replaceChildren(part.dataset.copy))
    copy.querySelectorAll('button, input, .unseen').forEach(part => part.remove())
    copy.querySelectorAll('td, th').forEach(cell => cell.nextElementSibling && cell.append('\t'))
    copy.querySelectorAll('tr, li, p').forEach(row => row.append('\n'))
    return copy.textContent.replace(/\n$/, '')
}

export function installCopy() {
    document.addEventListener('copy', event => {
        const selection = getSelection()
        if (selection.isCollapsed || event.target.closest?.('input, textarea'))
            return
        const whole = wholeText(selection.getRangeAt(0))
        if (whole === null)
            return
        event.clipboardData.setData('text/plain', whole)
        event.preventDefault()
    })
}
