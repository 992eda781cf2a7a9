// SPDX-License-Identifier: Apache-2.0
// The frame of the page: routes by the URL's hash, navigation, the token, the theme, and what a
// screen reader is told.
import { html, render, useEffect, useErrorBoundary, useRef, useState } from '../lib/preact.js';
import { browser, connect, isPlain, tab, unlock } from './api.js';
import { Catalog } from './catalog.js';
import { Lineage } from './lineage.js';
import { Models } from './models.js';
import { Overview } from './overview.js';
import { Pipeline } from './pipeline.js';
import { Quality } from './quality.js';
import { Query } from './query.js';
import { Runs } from './runs.js';
import { Problem, duration, time, useLive } from './ui.js';

const PAGES = [
	['', 'Overview', Overview],
	['pipeline', 'Pipelines', Pipeline],
	['lineage', 'Lineage', Lineage],
	['runs', 'Runs and log', Runs],
	['quality', 'Quality', Quality],
	['catalog', 'Catalog', Catalog],
	['models', 'Models', Models],
	['query', 'Query', Query],
];

const LINKS = {
	connecting: 'connecting', live: 'live', polling: 'polling: no stream', offline: 'not connected', locked: 'locked',
};

function route() {
	const parts = location.hash.replace(/^#\/?/, '').split('/').map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	});
	return { page: parts[0], parts: parts.slice(1) };
}

function useRoute() {
	const [now, setNow] = useState(route());
	useEffect(() => {
		const change = () => setNow(route());
		addEventListener('hashchange', change);
		return () => removeEventListener('hashchange', change);
	}, []);
	return now;
}

// "light" or "dark": what was chosen, or what the system wants.
function useTheme() {
	const dark = matchMedia('(prefers-color-scheme: dark)');
	const [chosen, setChosen] = useState(browser.get('theme'));
	const [system, setSystem] = useState(dark.matches ? 'dark' : 'light');
	const theme = chosen || system;
	useEffect(() => {
		const change = () => setSystem(dark.matches ? 'dark' : 'light');
		dark.addEventListener('change', change);
		return () => dark.removeEventListener('change', change);
	}, []);
	document.documentElement.dataset.theme = theme;
	return [theme, () => {
		const next = theme === 'dark' ? 'light' : 'dark';
		browser.set('theme', next);
		setChosen(next);
	}];
}

// Says changes of state, each once; those that jobs go through day and night are no news.
const SAID = 5; // at once
const NEWS = ['failed', 'retrying', 'paused', 'stopped'];

function Announcer({ live }) {
	const before = useRef({});
	const [text, setText] = useState('');
	useEffect(() => {
		const now = { link: live.link };
		for (const p of (live.status && live.status.pipelines) || []) {
			now[`pipeline ${p.name}`] = p.state;
		}
		const changed = Object.keys(now).filter((k) => before.current[k] !== undefined && before.current[k] !== now[k]
			&& (k === 'link' || NEWS.includes(now[k]) || NEWS.includes(before.current[k])));
		if (changed.length !== 0) {
			const said = changed.slice(0, SAID).map((k) => (k === 'link' ? `Connection: ${LINKS[now.link]}` : `${k} is ${now[k]}`));
			setText([...said, ...(changed.length > SAID ? [`and ${changed.length - SAID} more`] : [])].join('. '));
		}
		before.current = now;
	});
	return html`<div class="hidden" role="status" aria-live="polite">${text}</div>`;
}

function Gate() {
	const [token, setToken] = useState('');
	const [odd, setOdd] = useState(false);
	const field = useRef();
	const tried = odd || tab.get('token') !== null;
	useEffect(() => field.current.focus(), []);
	const send = (event) => {
		const given = token.trim();
		event.preventDefault();
		setOdd(!isPlain(given));
		if (isPlain(given)) {
			unlock(given);
		}
	};
	return html`<main class="gate" id="main"><div class="panel">
		<h1>Dripline</h1>
		<form onSubmit=${send}>
			<p>This console asks for its token: the option <code>token</code> of the service.</p>
			${tried ? html`<p class="error" role="alert">The token is wrong.</p>` : null}
			<label>Token<input ref=${field} type="password" autocomplete="off" required value=${token} onInput=${(event) => setToken(event.target.value)} /></label>
			<button class="main">Continue</button>
			<p class="small muted">It is kept for this tab only.</p>
		</form>
	</div></main>`;
}

// While the figures on the page are old.
function Banner({ live }) {
	if (live.link !== 'offline') {
		return null;
	}
	return html`<p class="error" role="alert">The daemon does not answer since ${time(live.since)}${live.status ? `: the figures are of ${time(live.status.now)}` : ''}. This page goes on by itself when it is back.</p>`;
}

function Navigation({ page, live, theme, turnTheme }) {
	return html`<header class="side">
		<div class="brand"><img src="icon.svg" alt="" />Dripline</div>
		<nav aria-label="Pages"><ul>${PAGES.map(([name, title]) => html`<li key=${name}>
			<a href=${`#/${name}`} aria-current=${name === page ? 'page' : undefined}>${title}</a></li>`)}</ul></nav>
		<div class="foot">
			<span class=${`link ${live.link}`}>${LINKS[live.link]}</span>
			<button onClick=${turnTheme}>${theme === 'dark' ? 'Light' : 'Dark'} colours</button>
			${live.status ? html`<span>version ${live.status.version}, up ${duration(live.status.uptime_seconds)}</span>` : null}
			<span>times of ${Intl.DateTimeFormat().resolvedOptions().timeZone || 'this machine'}</span>
			<a href="licenses.txt">Licences</a>
		</div>
	</header>`;
}

function Unknown() {
	return html`<h1 tabindex="-1">No such page</h1><p>The address names a page that there is not: <a href="#/">the overview</a>.</p>`;
}

// A page that fails takes nothing with it.
function Guarded({ page: Page, here, parts, theme }) {
	const [error, reset] = useErrorBoundary();
	const [failed, setFailed] = useState(null); // where
	useEffect(() => {
		if (error && failed !== null && failed !== here) {
			reset();
		}
		setFailed(error ? here : null);
	}, [here, error]);
	return error
		? html`<h1 tabindex="-1">This page has failed</h1><${Problem} error=${{ message: String(error.message || error), hint: 'Load it again. If that does not help it is a defect of this page; the command line shows the same.' }} />`
		: html`<${Page} parts=${parts} theme=${theme} />`;
}

function App() {
	const live = useLive();
	const { page, parts } = useRoute();
	const [theme, turnTheme] = useTheme();
	const main = useRef();
	const here = `${page}/${parts.join('/')}`;
	const locked = live.link === 'locked';
	const view = locked ? null : here;
	const first = useRef(view);
	const [name, title, Page] = PAGES.find(([known]) => known === page) || ['?', 'No such page', Unknown];
	useEffect(() => {
		document.title = `${parts[0] ? `${parts[0]} – ` : ''}${title} – Dripline`;
		if (first.current !== view) {
			first.current = undefined;
			const heading = main.current && main.current.querySelector('h1');
			if (heading) {
				heading.focus();
			}
			scrollTo(0, 0);
		}
	}, [view]);
	if (locked) {
		return html`<${Gate} />`;
	}
	return html`
		<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.querySelector('h1').focus(); }}>Skip to the content</a>
		<${Announcer} live=${live} />
		<div class="frame">
			<${Navigation} page=${name} live=${live} theme=${theme} turnTheme=${turnTheme} />
			<main id="main" ref=${main}><${Banner} live=${live} /><${Guarded} key=${name} page=${Page} here=${here} parts=${parts} theme=${theme} /></main>
		</div>`;
}

render(html`<${App} />`, document.getElementById('app'));
connect();
