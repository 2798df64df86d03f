// SPDX-License-Identifier: MIT
// How times, numbers and what users have typed are shown.
import { text } from './text.js'

const two = number => String(number).padStart(2, '0')
const date = value => (value instanceof Date ? value : new Date(value))

// 12:03:10, in the time of the reader's place, as all times that are shown.
export function clock(time) {
    const t = date(time)
    return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`
}

// 2026-11-26 12:03:10
export function stamp(time) {
    const t = date(time)
    return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(t)}`
}

// The clock alone for what is of today.
export function moment(time, now = new Date()) {
    const t = date(time)
    return t.toDateString() === now.toDateString() ? clock(t) : stamp(t)
}

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]

// 3 h 12 min: the two largest units.
export function duration(seconds) {
    let rest = Math.max(0, Math.round(seconds))
    const first = UNITS.findIndex(([, size]) => rest >= size)
    if (first < 0)
        return text.unit.second(0)
    const parts = []
    for (const [name, size] of UNITS.slice(first, first + 2)) {
        const count = Math.floor(rest / size)
        if (count)
            parts.push(text.unit[name](count))
        rest -= count * size
    }
    return parts.join(' ')
}

// 3 min, by the largest unit: how long ago that was, without the word.
export function ago(time, now = Date.now()) {
    const seconds = Math.max(0, Math.floor((now - date(time)) / 1000))
    const [name, size] = UNITS.find(([, size]) => seconds >= size) || UNITS.at(-1)
    return seconds < 5 ? text.unit.now : text.unit[name](Math.floor(seconds / size))
}

// 12.3, to be followed by a small sign.
export const percent = value => (value == null ? text.unit.none : value.toFixed(1))

export const count = value => (value == null ? text.unit.none : value.toLocaleString('en'))

const SYMBOLS = new Map([[0x7f, '\u2421'], [0x85, '\u2424'], [0x2028, '\u2424'], [0x2029, '\u2424']])
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

// What somebody else wrote, in one line and as it is: control characters, and marks that would turn
// the direction of what follows, are shown as signs and do nothing.
export function visible(raw) {
    return String(raw ?? '').replace(HARMFUL, character => {
        const code = character.charCodeAt(0)
        if (code < 0x20)
            return String.fromCharCode(0x2400 + code)
        return SYMBOLS.get(code) || `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`
    })
}

// The same for the clipboard, where lines stay lines: what is pasted into a terminal must do no more
// than it shows.
export const harmless = raw => String(raw ?? '').split(/([\n\t])/).map((part, i) => (i % 2 ? part : visible(part))).join('')

// What became of a session, in a few words; '' while it is under way.
export function howEnded({ status, close_reason: reason, exit_code: code, termination }) {
    if (status !== 'closed')
        return ''
    if (termination?.outcome === 'confirmed')
        return text.how.endedBy(visible(termination.requested_by_username))
    if (reason === 'exited' && code)
        return text.how.exitCode(code)
    return text.how[termination?.outcome] ?? text.how[reason] ?? text.how.unknown
}
