// SPDX-License-Identifier: MIT
// The keyboard: / filters, j and k go through the rows, ? helps. Enter, x and Space are the rows' own.
import { html, useEffect, useRef, useState } from './html.js'
import { text } from './text.js'

const typing = target => Boolean(target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]'))

function moveRow(step) {
    const rows = [...document.querySelectorAll('table[data-rows] tbody tr')].filter(row => row.offsetParent)
    if (!rows.length)
        return
    const at = rows.indexOf(document.activeElement?.closest('tr'))
    const next = at < 0 ? rows.find(row => row.tabIndex === 0) || rows[0]
        : rows[Math.min(rows.length - 1, Math.max(0, at + step))]
    next.focus({ preventScroll: true })
    next.scrollIntoView({ block: 'nearest' })
}

function focusFilter() {
    const filter = document.querySelector('input[type=search]')
    filter?.focus()
    filter?.select()
}

// Whether the key was one of ours.
function obey(key, help) {
    const actions = { '/': focusFilter, j: () => moveRow(1), k: () => moveRow(-1), '?': help }
    actions[key]?.()
    return key in actions
}

function onKey(event, help) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]'))
        return
    if (typing(event.target)) {
        if (event.key === 'Escape') {
            event.preventDefault() // which would empty the field
            event.target.blur()
        }
        return
    }
    if (obey(event.key, help))
        event.preventDefault()
}

const SHORTCUTS = [
    [['/'], 'filter'], [['j'], 'next'], [['k'], 'previous'], [['Enter'], 'open'], [['Space'], 'select'], [['x'], 'end'],
    [['Esc'], 'close'], [['?'], 'help'],
]

// A dialog is open as long as it is rendered. The element that had the focus gets it back.
export function Dialog({ label, className = '', onClose, lasting = false, children }) {
    const dialog = useRef()
    useEffect(() => {
        const before = document.activeElement
        const element = dialog.current
        element.showModal()
        return () => {
            dialog.current = null
            element.close() // what is behind a modal dialog takes no focus
            if (before.isConnected)
                before.focus()
        }
    }, [])
    const cancel = event => {
        event.preventDefault()
        if (!lasting)
            onClose()
    }
    const close = () => {
        if (dialog.current && lasting)
            dialog.current.showModal() // a second Escape closes any dialog
        else if (dialog.current)
            onClose()
    }
    return html`<dialog ref=${dialog} class=${className} aria-label=${label} onCancel=${cancel} onClose=${close}>${children}</dialog>`
}

export function Keys() {
    const [open, setOpen] = useState(false)
    useEffect(() => {
        const listen = event => onKey(event, () => setOpen(true))
        document.addEventListener('keydown', listen)
        return () => document.removeEventListener('keydown', listen)
    }, [])
    return html`
        <button type="button" class="quiet help" aria-label=${text.keys.show} title=${text.keys.show}
            onClick=${() => setOpen(true)}>?</button>
        ${open && html`<${Dialog} label=${text.keys.title} className="keys" onClose=${() => setOpen(false)}>
            <h2>${text.keys.title}</h2>
            <dl>${SHORTCUTS.map(([keys, what]) => html`<div><dt>${keys.map(key => html`<kbd>${key}</kbd>`)}</dt>
                <dd>${text.keys[what]}</dd></div>`)}</dl>
            <p class="buttons"><button type="button" onClick=${() => setOpen(false)}>${text.keys.done}</button></p>
        <//>`}`
}
