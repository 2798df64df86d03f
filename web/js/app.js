// SPDX-License-Identifier: MIT
// The frame: navigation, whether the page is live, who is logged in, and the page that is open.
import { html, useEffect, useState } from './html.js'
import { begin, logOut, useLogin } from './api.js'
import { ago, clock, duration } from './format.js'
import { Keys } from './keys.js'
import { Login, beginLogin } from './login.js'
import { Text, Trouble, useNow } from './parts.js'
import { setPaused, useStatus } from './poll.js'
import { link, useRoute } from './router.js'
import { text } from './text.js'

// A page is loaded when it is opened first. Each exports Page({id, params}).
const pages = {
    now: () => import('./now.js'),
    session: () => import('./session.js'),
    history: () => import('./history.js'),
    machines: () => import('./machines.js'),
    machine: () => import('./machine.js'),
}
const partOf = { session: 'history', machine: 'machines' } // what is lit in the navigation

function Navigation({ page }) {
    const current = name => ((partOf[page] || page) === name ? 'page' : undefined)
    return html`<nav aria-label=${text.nav.label}>
        ${['now', 'history', 'machines'].map(name => html`<a key=${name} href=${link(name)} aria-current=${current(name)}>${text.nav[name]}</a>`)}
        <a href="api/">${text.nav.api}</a>
    </nav>`
}

// Says whether what is shown is of now; a press stops and goes on.
function Pill() {
    const { paused, offlineSince } = useStatus()
    const kind = paused ? 'paused' : offlineSince ? 'offline' : 'live'
    const word = kind === 'offline' ? text.status.offline(clock(offlineSince)) : text.status[kind]
    return html`<button type="button" class=${`pill ${kind}`} aria-pressed=${paused}
        title=${paused ? text.status.resume : text.status.pause}
        onClick=${() => setPaused(!paused)}><span class="shape" aria-hidden="true"></span><span role="status">${word}</span></button>`
}

// Over the page, so that nothing moves.
function OfflineNote() {
    const { offlineSince, retryAt, paused } = useStatus()
    const now = useNow()
    if (!offlineSince || paused)
        return null
    // The seconds that are counted down are not read out each time.
    return html`<p class="notice"><span role="alert">${text.status.lost(clock(offlineSince))}</span>${' '}
        <span aria-hidden="true">${text.status.again(Math.ceil((retryAt - now) / 1000))}</span></p>`
}

const SOON_S = 300 // before a token's end: from then on the header says so

function Account() {
    const { me } = useLogin()
    const now = useNow()
    if (!me)
        return null
    const left = me.expires_at ? (Date.parse(me.expires_at) - now) / 1000 : null
    const sees = text.account.sees[me.role]
    return html`<details class="account">
        <summary><${Text}>${me.username}<//> <span class="muted of">${me.role === 'super_admin' ? text.account.role[me.role] : me.tenant_id}</span>
            ${left !== null && left < SOON_S && html`<span class="bad" title=${text.account.leftSoon(duration(left))}>${text.account.leftShort(ago(Date.now() - left * 1000))}</span>`}</summary>
        <div class="menu">
            <dl>
                <div><dt>${text.account.role[me.role] ?? me.role}</dt><dd>${typeof sees === 'function' ? sees(me.tenant_id) : sees}</dd></div>
                <div><dt>${text.account.user}</dt><dd class="mono"><${Text}>${me.user_id}<//></dd></div>
                <div><dt>${text.account.tenant}</dt><dd class="mono">${me.tenant_id}</dd></div>
                ${left !== null && html`<div><dt>${text.account.left}</dt><dd>${duration(left)}</dd></div>`}
            </dl>
            <button type="button" onClick=${logOut}>${text.account.logOut}</button>
        </div>
    </details>`
}

// A menu closes by a press elsewhere and by Escape.
function useMenusClose() {
    useEffect(() => {
        const close = event => document.querySelectorAll('details.account[open]').forEach(menu => {
            if (event.type === 'keydown' ? event.key === 'Escape' : !menu.contains(event.target))
                menu.open = false
        })
        document.addEventListener('pointerdown', close)
        document.addEventListener('keydown', close)
        return () => {
            document.removeEventListener('pointerdown', close)
            document.removeEventListener('keydown', close)
        }
    }, [])
}

function usePage(name) {
    const [loaded, setLoaded] = useState({})
    useEffect(() => {
        let wanted = true
        const load = pages[name] || pages.now
        load().then(module => wanted && setLoaded({ name, Page: module.Page }), error => {
            console.error(error)
            if (wanted)
                setLoaded({ name, failed: true })
        })
        return () => { wanted = false }
    }, [name])
    return loaded.name === name ? loaded : {}
}

function Outlet({ route }) {
    const { Page, failed } = usePage(route.page)
    if (failed)
        return html`<div class="trouble" role="alert"><p class="first">${text.trouble.page}</p>
            <button type="button" onClick=${() => location.reload()}>${text.trouble.reload}</button></div>`
    return Page ? html`<${Page} id=${route.id} params=${route.params} />` : null
}

function useBeginning() {
    const [linkRefused, setLinkRefused] = useState(false)
    useEffect(() => {
        const take = async () => setLinkRefused(await beginLogin() instanceof Error)
        const onLink = () => location.hash.startsWith('#token=') && take()
        take()
        addEventListener('hashchange', onLink)
        return () => removeEventListener('hashchange', onLink)
    }, [])
    return linkRefused
}

const AGAIN_MS = 3000

// The service did not even say who we are: asks until it does.
function Unreachable({ error }) {
    useEffect(() => {
        const again = () => begin().catch(() => {})
        const timer = setTimeout(again, Math.max(AGAIN_MS, (error.retryAfter ?? 0) * 1000))
        return () => clearTimeout(timer)
    }, [error])
    return html`<${Trouble} error=${error} onRetry=${() => begin().catch(() => {})} />`
}

export function App() {
    const route = useRoute()
    const { state, me, why } = useLogin()
    const linkRefused = useBeginning()
    useMenusClose()
    useEffect(() => {
        document.title = text.title(text.nav[partOf[route.page] || route.page] || text.nav.now)
    }, [route.page])
    return html`
        <a class="skip" href="#main" onClick=${event => { event.preventDefault(); document.getElementById('main').focus() }}>${text.nav.skip}</a>
        <header>
            <a class="brand" href=${link('now')}>vsay</a>
            ${me && html`<${Navigation} page=${route.page} />
            <div class="right"><${Pill} /><${Keys} /><${Account} /></div>`}
        </header>
        <${OfflineNote} />
        <main id="main" tabIndex="-1">
            ${me ? html`<${Outlet} key=${me.user_id} route=${route} />` : state === 'unknown' && why && html`<${Unreachable} error=${why} />`}
        </main>
        ${(state === 'out' || state === 'expired') && html`<${Login} key=${state} linkRefused=${linkRefused} />`}`
}
