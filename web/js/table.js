// SPDX-License-Identifier: MIT
// A table that keeps focus, selection and scroll while its rows come, change and go.
import { html, useLayoutEffect, useMemo, useRef, useState } from './html.js'
import { text } from './text.js'

// Texts as people sort them: "node-9" before "node-10". What is not known comes last.
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

function compare(a, b) {
    if (a == null || b == null)
        return (a == null) - (b == null)
    return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(a, b)
}

function sorted(rows, columns, sort) {
    const column = sort && columns.find(({ key }) => key === sort.key)
    if (!column?.value)
        return rows
    const sign = sort.down ? -1 : 1
    return rows.map(row => [column.value(row), row])
        .sort(([a], [b]) => (a == null || b == null ? compare(a, b) : sign * compare(a, b)))
        .map(([, row]) => row)
}

function Head({ column, sort, onSort }) {
    const active = sort?.key === column.key
    const order = active ? (sort.down ? 'descending' : 'ascending') : undefined
    const name = column.unseen ? html`<span class="unseen">${column.title}</span>` : column.title
    return html`<th scope="col" class=${`col-${column.key} ${column.align || ''}`} aria-sort=${order}>
        ${column.value && onSort
            ? html`<button type="button" class="sort" onClick=${() => onSort({ key: column.key, down: active ? !sort.down : Boolean(column.down) })}>${name}<span
                class="arrow" aria-hidden="true">${active ? (sort.down ? '↓' : '↑') : ''}</span></button>`
            : name}</th>`
}

function SelectAll({ keys, selection, onSelect }) {
    const chosen = keys.filter(key => selection.has(key)).length
    const box = useRef()
    useLayoutEffect(() => {
        box.current.indeterminate = chosen > 0 && chosen < keys.length
    })
    return html`<th scope="col" class="col-select"><input type="checkbox" ref=${box} aria-label=${text.now.selectAll}
        disabled=${!keys.length} checked=${keys.length > 0 && chosen === keys.length}
        onChange=${() => onSelect(new Set(chosen === keys.length ? [] : keys))} /></th>`
}

function toggled(selection, key) {
    const next = new Set(selection)
    if (!next.delete(key))
        next.add(key)
    return next
}

// Where the focused row went away, the row in its place has the focus. Names in lower case are what all
// versions of preact take for these events.
function useFocusKept(body, keys) {
    const focused = useRef(null) // {key, index} of the row
    useLayoutEffect(() => {
        if (!focused.current || document.activeElement !== document.body)
            return
        const { key, index } = focused.current
        focused.current = null
        if (!keys.includes(key)) // else somebody has left it
            body.current.rows[Math.min(index, keys.length - 1)]?.focus()
    })
    return {
        onfocusin: event => {
            const row = event.target.closest('tr')
            focused.current = { key: row.dataset.key, index: [...body.current.rows].indexOf(row) }
        },
        onfocusout: event => {
            if (event.relatedTarget)
                focused.current = null
        },
    }
}

// columns: [{key, title, unseen, value(row) to sort by, down (sorts so at first), cell(row, current), align: 'right'}].
// sort: {key, down}; without onSort the rows stay as they are. selection: a Set of keys, with
// selectable(row). onOpen(row) and onEnd(row) are called by Enter or a click, and by x.
export function Table({ label, columns, rows, rowKey, sort, onSort, selection, selectable = () => true, rowName,
    onSelect, onOpen, onEnd, rowClass = () => '' }) {
    const body = useRef()
    const shown = useMemo(() => sorted(rows, columns, sort), [rows, columns, sort?.key, sort?.down])
    const keys = shown.map(rowKey)
    const kept = useFocusKept(body, keys)
    const [focused, setFocused] = useState(null)
    const current = keys.includes(focused) ? focused : keys[0] // the row to which Tab comes, and then to what is in it

    const onKeyDown = (event, row) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey)
            return
        if (event.key === 'Enter' && onOpen)
            onOpen(row)
        else if (event.key === 'x' && onEnd)
            onEnd(row)
        else if (event.key === ' ' && selection && selectable(row))
            onSelect(toggled(selection, rowKey(row)))
        else
            return
        event.preventDefault()
        event.stopPropagation()
    }
    const onClick = (event, row) => {
        if (onOpen && getSelection().isCollapsed && !event.target.closest('a, button, input, label'))
            onOpen(row)
    }
    return html`<table aria-label=${label} data-rows>
        <thead><tr>
            ${selection && html`<${SelectAll} keys=${shown.filter(selectable).map(rowKey)} selection=${selection} onSelect=${onSelect} />`}
            ${columns.map(column => html`<${Head} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}
        </tr></thead>
        <tbody ref=${body} ...${kept}>
            ${shown.map((row, index) => html`<tr key=${keys[index]} data-key=${keys[index]}
                class=${`${rowClass(row)}${onOpen ? ' opens' : ''}${selection?.has(keys[index]) && selectable(row) ? ' selected' : ''}`}
                tabIndex=${keys[index] === current ? 0 : -1}
                onfocusin=${() => setFocused(keys[index])}
                onKeyDown=${event => onKeyDown(event, row)} onClick=${event => onClick(event, row)}>
                ${selection && html`<td class="col-select">${selectable(row) && html`<input type="checkbox" tabIndex=${keys[index] === current ? 0 : -1}
                    aria-label=${text.now.select(rowName(row))} checked=${selection.has(keys[index])}
                    onChange=${() => onSelect(toggled(selection, keys[index]))} />`}</td>`}
                ${columns.map(column => html`<td key=${column.key} class=${`col-${column.key} ${column.align || ''}`}
                    data-title=${column.unseen ? undefined : column.title}>${column.cell(row, keys[index] === current)}</td>`)}
            </tr>`)}
        </tbody>
    </table>`
}
