// SPDX-License-Identifier: MIT
import { html, render } from './html.js'
import { App } from './app.js'
import { installCopy } from './parts.js'

installCopy()
render(html`<${App} />`, document.getElementById('app'))
