// SPDX-License-Identifier: MIT
// The login, over the view that it is for.
import { html, useRef, useState } from './html.js'
import { begin, logIn, useLogin } from './api.js'
import { Dialog } from './keys.js'
import { text } from './text.js'

// A link URL/#token=... logs in. The token is not to stay in the address, which is copied and kept.
export async function beginLogin() {
    const given = new URLSearchParams(location.hash.startsWith('#token=') ? location.hash.slice(1) : '').get('token')
    if (given === null)
        return begin().catch(() => {})
    history.replaceState(null, '', location.pathname + location.search)
    try {
        return await logIn(given.trim())
    } catch (error) {
        return begin().catch(() => error)
    }
}

function whyNot(error) {
    if (error.status === 401)
        return text.login.refused
    if (error.status === 403)
        return text.login.metricsOnly
    return error.passes ? text.login.unreachable : error.message
}

const wellFormed = token => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)

// What people paste may have line ends in it, or the header's word before it.
const cleaned = pasted => pasted.replace(/^\s*(authorization:\s*)?bearer\s+/i, '').replace(/\s+/g, '')

export function Login({ linkRefused }) {
    const { state } = useLogin()
    const field = useRef()
    const cookie = useRef()
    const [trouble, setTrouble] = useState(linkRefused ? text.login.linkRefused : null)
    const [busy, setBusy] = useState(false)
    const submit = async event => {
        event.preventDefault()
        const token = cleaned(field.current.value)
        if (!wellFormed(token))
            return setTrouble(text.login.malformed)
        setBusy(true)
        setTrouble(null)
        try {
            return await logIn(token, { cookie: cookie.current.checked })
        } catch (error) {
            setBusy(false)
            return setTrouble(whyNot(error))
        }
    }
    return html`<${Dialog} label=${text.login.title} className=${state === 'out' ? 'login alone' : 'login'} lasting>
        <form onSubmit=${submit} noValidate>
            <h2>${state === 'expired' ? text.login.again : text.login.title}</h2>
            ${state === 'expired' && html`<p>${text.login.expired}</p>`}
            <label for="token">${text.login.token}</label>
            <input id="token" ref=${field} type="password" class="mono" autocomplete="off" spellcheck="false" autofocus
                required aria-describedby="token-hint token-trouble" aria-invalid=${trouble ? 'true' : undefined} />
            <p id="token-hint" class="muted">${text.login.hint}</p>
            <p class="command mono">${text.login.command}</p>
            <p class="choice"><input id="cookie" ref=${cookie} type="checkbox" aria-describedby="cookie-hint" />
                <label for="cookie">${text.login.cookie}</label></p>
            <p id="cookie-hint" class="muted">${text.login.cookieHint}</p>
            <p id="token-trouble" class="bad" role="alert">${trouble}</p>
            <p class="buttons"><button type="submit" class="main" disabled=${busy}>${busy ? text.login.busy : text.login.submit}</button></p>
        </form>
    <//>`
}
