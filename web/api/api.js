// SPDX-License-Identifier: MIT
// The contract, readable, and tried out as whoever is logged in at the page beside it. Runs before RapiDoc
// does, so that it misses none of its events.
const TOKEN = 'vsay-token' // as in js/api.js
const COLOURS = {
    light: {
        'bg-color': '#ffffff', 'text-color': '#1c2127', 'primary-color': '#1f5fbf', 'nav-bg-color': '#ffffff',
        'nav-text-color': '#1c2127', 'nav-hover-bg-color': '#f4f6f8', 'nav-hover-text-color': '#1c2127',
        'nav-accent-color': '#1f5fbf', 'header-color': '#ffffff',
    },
    dark: {
        'bg-color': '#13161a', 'text-color': '#dde2e7', 'primary-color': '#84b2f5', 'nav-bg-color': '#13161a',
        'nav-text-color': '#dde2e7', 'nav-hover-bg-color': '#1b2026', 'nav-hover-text-color': '#dde2e7',
        'nav-accent-color': '#84b2f5', 'header-color': '#13161a',
    },
}

const api = document.getElementById('api')
const dark = matchMedia('(prefers-color-scheme: dark)')
const wide = matchMedia('(min-width: 768px)') // RapiDoc has no navigation below that

function colour() {
    const theme = dark.matches ? 'dark' : 'light'
    api.setAttribute('theme', theme)
    for (const [name, value] of Object.entries(COLOURS[theme]))
        api.setAttribute(name, value)
}

function lay() {
    api.setAttribute('render-style', wide.matches ? 'focused' : 'view')
}

// The token of this tab, if it has one; else the browser sends the cookie, if that has one.
function logIn() {
    const token = sessionStorage.getItem(TOKEN)
    if (token)
        api.setApiKey('bearer', token)
}

// Where browsers do not tell a page's origin, a cookie counts with this header only.
function mark(event) {
    event.detail.request.headers.append('Vsay-Request', '1')
}

// RapiDoc does not resolve the relative address that the contract has.
const base = new URL('..', location.href).href.slice(0, -1)
api.setAttribute('server-url', base)
api.setAttribute('default-api-server', base)
colour()
lay()
dark.addEventListener('change', colour)
wide.addEventListener('change', lay)
api.addEventListener('spec-loaded', logIn)
api.addEventListener('before-try', mark)
