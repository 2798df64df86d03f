// SPDX-License-Identifier: MIT
// Preact, its hooks and htm, which the build puts into vendor/. All other modules import them here.
export {
    html, render, createContext, useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef,
    useState,
} from '../vendor/preact.js'
