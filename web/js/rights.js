// SPDX-License-Identifier: MIT
// What the caller may do, so that nothing is offered that would be refused.
import { request } from './api.js'
import { createStore, useStore } from './store.js'

const owners = createStore({}) // by machine, of which the caller is a user: whether it owns it
let asking = Promise.resolve() // one request after the other
let caller = null

function ask(agent_id) {
    owners.get()[agent_id] = false // until it is known
    asking = asking.then(() => request(`/api/machines/${encodeURIComponent(agent_id)}`))
        .then(({ machine }) => machine.owners.length && owners.set({ [agent_id]: true }),
            error => error.passes && delete owners.get()[agent_id])
}

// Admins may end all that they see, others what is theirs and what is on machines that they own.
export function mayEnd({ user_id, agent_id }, me) {
    if (me.role !== 'user' || user_id === me.user_id)
        return true
    if (caller !== me.user_id)
        Object.keys(owners.get()).forEach(id => delete owners.get()[id])
    caller = me.user_id
    if (!(agent_id in owners.get()))
        ask(agent_id)
    return owners.get()[agent_id]
}

// For components that call mayEnd: renders them again when more is known.
export const useRights = () => useStore(owners)
