// SPDX-License-Identifier: MIT
// Fields of filters, each with its label.
import { html, useEffect, useRef, useState } from './html.js'
import { visible } from './format.js'

const PAUSE_MS = 300 // of typing, after which a filter is applied

let ids = 0
const useId = () => useState(() => `field-${ids++}`)[0] // the standalone preact has none

// A text that is told when typing pauses, at once by Enter and on leaving.
export function Field({ label, value = '', onChange, type = 'text', mono = false, suggestions = [], ...rest }) {
    const id = useId()
    const [typed, setTyped] = useState(value)
    const timer = useRef(null)
    useEffect(() => setTyped(value), [value])
    useEffect(() => () => clearTimeout(timer.current), [])
    const tell = now => {
        clearTimeout(timer.current)
        if (now.trim() !== value)
            onChange(now.trim())
    }
    const onInput = event => {
        const now = event.target.value
        setTyped(now)
        clearTimeout(timer.current)
        timer.current = setTimeout(() => tell(now), PAUSE_MS)
    }
    return html`<label class=${`field ${type}`} for=${id}><span>${label}</span>
        <input id=${id} type=${type} class=${mono ? 'mono' : ''} value=${typed} onInput=${onInput} autocomplete="off" spellcheck="false"
            onKeyDown=${event => event.key === 'Enter' && tell(typed)} onBlur=${() => tell(typed)}
            list=${suggestions.length ? `${id}-list` : undefined} ...${rest} />
        ${suggestions.length > 0 && html`<datalist id=${`${id}-list`}>
            ${suggestions.map(([known, name]) => html`<option key=${known} value=${known}>${visible(name)}</option>`)}</datalist>`}
    </label>`
}

// options: {value: title}
export function Select({ label, value = '', options, onChange }) {
    const id = useId()
    return html`<label class="field" for=${id}><span>${label}</span>
        <select id=${id} value=${value} onChange=${event => onChange(event.target.value)}>
            ${Object.entries(options).map(([option, title]) => html`<option key=${option} value=${option}>${title}</option>`)}
        </select>
    </label>`
}
