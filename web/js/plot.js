// SPDX-License-Identifier: MIT
// Usage over time. Plot draws with uPlot, which is loaded when the first one is shown: the mean as a
// line, within a band from the least to the greatest value, interrupted where nothing was heard;
// sessions lie along the time axis. Plots of one `sync` share their cursor and zoom. Sparkline is a
// plain SVG.
import { html, useEffect, useRef, useState } from './html.js'
import { text } from './text.js'

const STRIP = 6 // px: height of the sessions' strip above the time axis

const seconds = time => Date.parse(time) / 1000

// --- data ----------------------------------------------------------------------------------------

// Points of the API as uPlot's columns [time, mean, least, greatest]; spreadOf(point) is their
// {min, mean, max}, or null. A null interrupts the line. Those at both ends stretch the axis over all
// of the time asked for, so that zooming out ends there.
export function columns(points, step, spreadOf, from, to) {
    const data = [[], [], [], []]
    const add = (time, spread) => {
        data[0].push(time)
        ;['mean', 'min', 'max'].forEach((name, i) => data[i + 1].push(spread?.[name] ?? null))
    }
    let last = null
    for (const point of points) {
        const time = seconds(point.time)
        if (last === null && from < time)
            add(from, null)
        if (last !== null && time - last > step)
            add(last + step, null)
        add(time, spreadOf(point))
        last = time
    }
    for (const end of last === null ? [from, to] : [to])
        if (last === null || end > last)
            add(end, null)
    return data
}

// A value between two gaps has no line, so it is drawn as a dot.
function lonely(u, series) {
    const there = i => (u.data[series][i] ?? null) !== null
    return u.data[0].map((_, i) => i).filter(i => there(i) && !there(i - 1) && !there(i + 1))
}

const greatest = values => values.reduce((most, value) => Math.max(most, value ?? 0), 0)

// --- uPlot ---------------------------------------------------------------------------------------

const vendor = name => new URL(`../vendor/${name}`, import.meta.url).href

let loading = null

// Its script is not a module, and makes window.uPlot.
function load() {
    loading ??= Promise.all([
        added('link', { rel: 'stylesheet', href: vendor('uplot.css') }),
        added('script', { src: vendor('uplot.js') }),
    ]).catch(error => {
        loading = null
        throw error
    })
    return loading
}

function added(name, members) {
    return new Promise((resolve, reject) => {
        const element = Object.assign(document.createElement(name), members)
        element.onload = resolve
        element.onerror = () => reject(new Error(`cannot load ${members.href || members.src}`))
        document.head.append(element)
    })
}

// Colours come from standard properties of the plot's element: unlike custom ones these are resolved.
function look(element) {
    const style = getComputedStyle(element)
    return {
        line: style.stroke, band: style.fill, text: style.color, grid: style.borderTopColor,
        font: `12px ${style.fontFamily}`,
    }
}

function drawSessions(u, sessions) {
    const { left, top, width, height } = u.bbox
    const strip = STRIP * devicePixelRatio
    u.ctx.save()
    u.ctx.fillStyle = look(u.root).line
    u.ctx.globalAlpha = 0.35 // where sessions overlap, it is darker
    for (const { from, to } of sessions) {
        const begin = Math.max(u.valToPos(from, 'x', true), left)
        const end = Math.min(u.valToPos(to, 'x', true), left + width)
        if (end > left && begin < left + width)
            u.ctx.fillRect(begin, top + height - strip, Math.max(end - begin, devicePixelRatio), strip)
    }
    u.ctx.restore()
}

function axes(font) {
    const common = {
        font, stroke: u => look(u.root).text, ticks: { show: false },
        grid: { stroke: u => look(u.root).grid, width: 1 },
    }
    return [
        { ...common, size: 28, space: 72, values: (u, times, axis, space, step) => text.plot.times(times, step) },
        {
            ...common, size: 40, splits: u => [0, u.scales.y.max / 2, u.scales.y.max],
            values: (u, values) => values.map(value => String(Math.round(value))),
        },
    ]
}

function options(state, width, sync, tell) {
    const edge = { stroke: () => 'transparent', points: { show: false } }
    return {
        width, height: state.height, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, drag: { x: true, y: false }, sync: { key: sync }, points: { size: 7 } },
        scales: { y: { range: () => [0, state.ceiling] } },
        axes: axes(state.font),
        series: [
            {},
            { stroke: u => look(u.root).line, width: 1.5, points: { filter: lonely, size: 4 } },
            edge,
            edge,
        ],
        bands: [{ series: [3, 2], fill: u => look(u.root).band }],
        hooks: { drawAxes: [u => drawSessions(u, state.sessions)], setCursor: [tell] },
    }
}

// New data; somebody who has zoomed in stays there.
function replace(u, data) {
    const times = u.data[0]
    const zoomed = u.scales.x.min > times[0] || u.scales.x.max < times[times.length - 1]
    u.setData(data, !zoomed)
    if (zoomed)
        u.redraw()
}

// Returns the plot, and what removes it.
function create(box, state, sync, tell) {
    state.font = look(box).font
    const u = new window.uPlot(options(state, box.clientWidth, sync, tell), state.data, box)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => u.redraw(false)
    const observer = new ResizeObserver(() => {
        if (box.clientWidth && box.clientWidth !== u.width)
            u.setSize({ width: box.clientWidth, height: state.height })
    })
    observer.observe(box)
    scheme.addEventListener('change', redraw)
    return [u, () => {
        observer.disconnect()
        scheme.removeEventListener('change', redraw)
        u.destroy()
    }]
}

// --- Plot ----------------------------------------------------------------------------------------

// The index at the cursor, or of the newest value while there is no cursor.
function shownIndex(u) {
    if (u.cursor.left >= 0 && u.cursor.idx != null)
        return u.cursor.idx
    return u.data[1].reduce((last, value, i) => value === null ? last : i, -1)
}

// What is read at the cursor is written past preact, since it changes with each move of the pointer.
function tell(u, element, state) {
    const at = shownIndex(u)
    const time = u.data[0][at]
    const [mean, min, max] = [1, 2, 3].map(i => u.data[i][at] ?? null)
    const names = state.sessions.filter(({ from, to }) => from < time + state.step && time < to).map(({ name }) => name)
    const texts = [
        mean === null ? text.unit.none : text.plot.value(mean),
        min === null ? '' : text.plot.spread(min, max),
        time === undefined ? '' : text.plot.at(time),
        names.length ? text.plot.sessions(names) : '',
    ]
    texts.forEach((value, i) => { element.children[i].textContent = value })
}

// Draws into `box`, and goes on with what changes in `state`.
function usePlot(state, sync, data, sessions) {
    const [box, read, plot] = [useRef(null), useRef(null), useRef(null)]
    const [failed, setFailed] = useState(false)
    const told = u => read.current && tell(u, read.current, state)
    useEffect(() => {
        let remove = null
        let gone = false
        load().then(() => {
            if (!gone)
                [plot.current, remove] = create(box.current, state, sync, told)
            if (plot.current)
                told(plot.current)
        }).catch(() => setFailed(true))
        return () => {
            gone = true
            remove?.()
        }
    }, [])
    useEffect(() => {
        if (!plot.current)
            return
        plot.current.data === data ? plot.current.redraw(false) : replace(plot.current, data)
        told(plot.current)
    }, [data, sessions])
    return { box, read, failed }
}

// data: of columns(), of points that are `step` apart; sessions: [{from, to, name}]. All in seconds.
export function Plot({ title, data, step, sessions = [], sync, height = 132 }) {
    const state = useRef({}).current
    Object.assign(state, { data, step, sessions, height, ceiling: Math.max(100, greatest(data[3])) })
    const { box, read, failed } = usePlot(state, sync, data, sessions)
    return html`<figure class="plot" aria-label=${title}>
        <figcaption><b>${title}</b><span class="plot-read" ref=${read}>
            <span class="plot-value"></span><span></span><span></span><span></span>
        </span></figcaption>
        <div class="plot-box" style=${{ height: `${height}px` }} ref=${box}>
            ${failed && html`<p>${text.plot.failed}</p>`}
        </div>
    </figure>`
}

// --- Sparkline -----------------------------------------------------------------------------------

// The stretches of [time, value] without a gap.
function stretches(points, step, valueOf) {
    const found = []
    let last = null
    for (const point of points) {
        const [time, value] = [seconds(point.time), valueOf(point) ?? null]
        if (value !== null && (last === null || time - last > step))
            found.push([])
        if (value !== null)
            found[found.length - 1].push([time, value])
        last = value === null ? null : time
    }
    return found
}

// points and step as the API gives them; valueOf(point): a number, or null. From `from` to `to`, in
// seconds. ceiling: the least height of the axis. label: what it shows, for who does not see it.
export function Sparkline({ points, step, valueOf, from, to, ceiling = 1, label }) {
    const [width, height] = [120, 24]
    const most = Math.max(ceiling, ...points.map(point => valueOf(point) ?? 0))
    const x = time => ((time - from) / (to - from) * width).toFixed(1)
    const y = value => (height - 1 - value / most * (height - 2)).toFixed(1)
    return html`<svg class="sparkline" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none"
        role="img" aria-label=${label}>${stretches(points, step, valueOf).map(stretch => {
            const line = stretch.map(([time, value]) => `${x(time)},${y(value)}`).join(' ')
            const ends = [stretch[0], stretch[stretch.length - 1]].map(([time]) => x(time))
            return html`<polygon points="${ends[0]},${height} ${line} ${ends[1]},${height}" />
                <polyline points=${line} />`
        })}</svg>`
}
