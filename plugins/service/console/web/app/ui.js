// SPDX-License-Identifier: Apache-2.0
// What pages are made of: numbers as people read them, badges, tables, dialogs, fetched data.
import { html, useEffect, useRef, useState } from '../lib/preact.js';
import { get, live, subscribe } from './api.js';

// ---- text

export function count(n) {
	if (n === null || n === undefined) {
		return '–';
	}
	return Math.abs(n) < 99999.5 ? Math.round(n).toLocaleString('en') : scaled(n, 1000, ['', 'k', 'm', 'bn', 'tn']);
}

// Three digits and the largest unit of which there is one.
function scaled(n, base, units) {
	let i = 0;
	let rest = n;
	while (i + 1 < units.length && Math.abs(rest) >= base - 0.5) {
		rest /= base;
		i++;
	}
	const digits = Math.abs(rest) >= 99.95 ? 0 : Math.abs(rest) >= 9.995 ? 1 : 2;
	return `${rest.toFixed(i ? digits : 0)} ${units[i]}`;
}

export function perSecond(n) {
	if (n === null || n === undefined) {
		return '–';
	}
	return n === 0 ? '0' : n < 0.05 ? '<0.1' : n < 9.95 ? n.toFixed(1) : count(n);
}

export function bytes(n) {
	if (n === null || n === undefined) {
		return '–';
	}
	return scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

export function duration(s) {
	if (s === null || s === undefined || Number.isNaN(s)) {
		return '–';
	}
	const two = (large, one, small, other) => (small >= 1 ? `${Math.floor(large)} ${one} ${Math.floor(small)} ${other}` : `${Math.floor(large)} ${one}`);
	if (s < 1) {
		return s < 0.0005 ? '0 s' : `${Math.round(s * 1000)} ms`;
	}
	if (s < 60) {
		return `${s < 9.95 ? s.toFixed(1) : Math.floor(s)} s`;
	}
	if (s < 3600) {
		return two(s / 60, 'min', s % 60, 's');
	}
	return s < 172800 ? two(s / 3600, 'h', (s % 3600) / 60, 'min') : `${Math.floor(s / 86400)} days`;
}

export function clock(date) {
	return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}

// Of this machine's zone.
export function time(text) {
	const date = new Date(text);
	const two = (n) => String(n).padStart(2, '0');
	return Number.isNaN(date.getTime()) ? '–' : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}\u00a0${clock(date)}`;
}

// ---- state

export function useLive() {
	const [, turn] = useState(0);
	useEffect(() => subscribe(() => turn((n) => n + 1)), []);
	return live;
}

const AGAIN_S = 5; // after a failure

// {data, error, reload}: fetched now, again where the arguments change, and each `seconds`; soon
// again after a failure, since the daemon comes back.
export function useData(path, query, seconds, read = get) {
	const [state, setState] = useState({});
	const [turn, setTurn] = useState(0);
	const key = path + JSON.stringify(query || {});
	useEffect(() => {
		const abort = new AbortController();
		let timer;
		const run = async () => {
			let wait = seconds;
			try {
				const data = await read(path, query, abort.signal);
				setState({ key, data });
			} catch (error) {
				if (abort.signal.aborted) {
					return;
				}
				setState((old) => ({ key, error, data: old.key === key ? old.data : undefined }));
				if (error.absent) {
					return;
				}
				wait = Math.min(seconds || AGAIN_S, AGAIN_S);
			}
			if (wait && !abort.signal.aborted) {
				timer = setTimeout(run, wait * 1000);
			}
		};
		run();
		return () => {
			abort.abort();
			clearTimeout(timer);
		};
	}, [key, turn]);
	const current = state.key === key ? state : {};
	return { ...current, reload: () => setTurn((n) => n + 1) };
}

// ---- parts

const TONES = {
	running: 'ok', 'on time': 'ok', finished: 'ok', succeeded: 'ok', waiting: 'info', starting: 'info', draining: 'info',
	paused: 'warn', retrying: 'warn', stopped: 'warn', failed: 'bad',
};

export function State({ state }) {
	return html`<span class=${`badge ${TONES[state] || ''}`}>${state}</span>`;
}

const CLASSES = { public: 'ok', internal: 'info', confidential: 'warn', restricted: 'bad' };

export function Class({ name }) {
	return html`<span class=${`badge ${CLASSES[name] || ''}`}>${name}</span>`;
}

// `old`: of the past, for the record.
export function Problem({ error, old }) {
	return html`<div class=${old ? 'note-box' : 'error'} role=${old ? undefined : 'alert'}>
		${old ? html`<p class="small muted">${old}</p>` : null}
		<p><strong>${error.message}</strong>${error.code ? html` <code>[${error.code}]</code>` : null}</p>
		${error.place ? html`<p class="small">At <code>${error.place}</code></p>` : null}
		${error.hint ? html`<p class="small">${error.hint}</p>` : null}
	</div>`;
}

// What stands in for data that is not there: why, in one sentence.
export function Absent({ of, what }) {
	if (of.error && of.error.absent) {
		return html`<p class="note-box">This daemon does not offer ${what} yet.</p>`;
	}
	if (of.error) {
		return html`<${Problem} error=${of.error} />`;
	}
	return html`<p class="muted" role="status">Loading …</p>`;
}

// Data that was fetched: what `children` makes of it, and a word where it is no longer fresh.
export function Fetched({ of, what, children }) {
	if (!of.data) {
		return html`<${Absent} of=${of} what=${what} />`;
	}
	return html`${of.error ? html`<p class="note-box warn" role="status">This could not be refreshed: ${of.error.message}.</p>` : null}${children(of.data)}`;
}

export function Strip({ items, label }) {
	return html`<dl class="strip" aria-label=${label}>
		${items.map(([name, value, tone, note]) => html`<div key=${name}>
			<dt>${name}</dt><dd class=${tone || ''}>${value}${note ? html`<span class="note">${note}</span>` : null}</dd>
		</div>`)}
	</dl>`;
}

// What may be wider than the page; a stop of the Tab key while it is, so that keys can move it.
export function Scroll({ label, children }) {
	const place = useRef();
	const [wide, setWide] = useState(false);
	useEffect(() => {
		const look = () => place.current && setWide(place.current.scrollWidth > place.current.clientWidth + 1);
		const watch = new ResizeObserver(look);
		watch.observe(place.current);
		watch.observe(place.current.firstElementChild);
		return () => watch.disconnect();
	}, []);
	return html`<div class="scroll" ref=${place} tabindex=${wide ? 0 : undefined} role=${wide ? 'group' : undefined}
		aria-label=${wide ? `${label}, wider than the page` : undefined}>${children}</div>`;
}

function Pager({ page, pages, of, size, turn }) {
	return html`<nav class="row" aria-label="Parts of the table">
		<button aria-disabled=${page === 0} onClick=${() => page > 0 && turn(page - 1)}>Previous</button>
		<span class="small muted" role="status">${(page * size + 1).toLocaleString('en')} to ${Math.min(of, (page + 1) * size).toLocaleString('en')} of ${of.toLocaleString('en')}</span>
		<button aria-disabled=${page + 1 === pages} onClick=${() => page + 1 < pages && turn(page + 1)}>Next</button>
	</nav>`;
}

// columns: [{name, cell(row), number, head, wide, whole}]; the column with `head` names its row, what is
// whole stays on one line. Links of the head column are one stop of the Tab key: the arrow keys go from row to row.
export function Table({ caption, columns, rows: all, keyOf, empty, size = 100 }) {
	const body = useRef();
	const [active, setActive] = useState(0);
	const [wanted, setPage] = useState(0);
	const pages = Math.ceil(all.length / size);
	const page = Math.min(wanted, Math.max(0, pages - 1));
	const rows = all.slice(page * size, (page + 1) * size);
	const links = () => (body.current ? [...body.current.querySelectorAll('th[scope=row] a')] : []);
	useEffect(() => {
		links().forEach((a, i) => a.setAttribute('tabindex', i === Math.min(active, rows.length - 1) ? '0' : '-1'));
	});
	const onKey = (event) => {
		const all = links();
		const at = all.indexOf(document.activeElement);
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
		if (at >= 0 && to !== undefined) {
			event.preventDefault();
			const next = Math.max(0, Math.min(all.length - 1, to));
			setActive(next);
			all[next].focus();
		}
	};
	if (rows.length === 0) {
		return html`<p class="muted">${empty || 'None.'}</p>`;
	}
	return html`<${Scroll} label=${caption}><table>
		<caption class="hidden">${caption}</caption>
		<thead><tr>${columns.map((c) => html`<th scope="col" class=${c.number ? 'number' : ''}>${c.name}</th>`)}</tr></thead>
		<tbody ref=${body} onKeyDown=${onKey}>
			${rows.map((row) => html`<tr key=${keyOf ? keyOf(row) : undefined}>
				${columns.map((c) => (c.head
					? html`<th scope="row">${c.cell(row)}</th>`
					: html`<td class=${['number', 'wide', 'whole'].filter((name) => c[name]).join(' ')}>${c.cell(row)}</td>`))}
			</tr>`)}
		</tbody>
	</table><//>${pages > 1 ? html`<${Pager} page=${page} pages=${pages} of=${all.length} size=${size} turn=${setPage} />` : null}`;
}

// Asks before something is done; the browser keeps the focus in it and gives it back.
export function Confirm({ title, text, action, onDone }) {
	const dialog = useRef();
	useEffect(() => {
		dialog.current.showModal();
	}, []);
	return html`<dialog ref=${dialog} aria-labelledby="confirm-title" onClose=${() => onDone(dialog.current.returnValue === 'yes')}>
		<form method="dialog" onSubmit=${(e) => { e.preventDefault(); dialog.current.close(e.submitter ? e.submitter.value : ''); }}>
			<h2 id="confirm-title">${title}</h2>
			<p>${text}</p>
			<div class="row"><button class="main" value="yes">${action}</button><button value="">Cancel</button></div>
		</form>
	</dialog>`;
}

export function pipelineLink(name) {
	return `#/pipeline/${encodeURIComponent(name)}`;
}

export function datasetLink(name, column) {
	return `#/lineage/${encodeURIComponent(name)}${column ? `/${encodeURIComponent(column)}` : ''}`;
}

// The name of a table with the month of its shard left out.
export const foldShard = (name) => name.replace(/_m_\d{6}$/, '_m_*');

// A name with places to break at, so that it does not break elsewhere.
export function Name({ of }) {
	return of.split(/(?<=[._/])/).map((part, i) => html`${i ? html`<wbr />` : null}${part}`);
}
