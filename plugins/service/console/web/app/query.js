// SPDX-License-Identifier: Apache-2.0
// SQL through the service api, which checks it, masks by role and writes it into its audit. The key
// is the reader's own, kept for this tab.
import { html, useEffect, useRef, useState } from '../lib/preact.js';
import { query, tab } from './api.js';
import { Problem, Table, count, duration } from './ui.js';

const LIMITS = [100, 1000, 10000];
const NUMBERS = /^(u?int\d+|float\d+|decimal|double)/;

function text(value) {
	return value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function Cell({ value }) {
	return value === null || value === undefined ? html`<span class="muted">null</span>` : text(value);
}

// A text that a spreadsheet would take for a formula, plain numbers apart: as drip_text_csv_sheet_field has it.
const isFormula = (t) => /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(t) && !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(t);

function csvField(value) {
	if (value === null || value === undefined) {
		return '';
	}
	const t = typeof value === 'string' && isFormula(value) ? `'${value}` : text(value);
	return /^$|^'|[",;\t\r\n]|^\s|\s$/.test(t) ? `"${t.replace(/"/g, '""')}"` : t;
}

// RFC 4180; a null is nothing, an empty text is "". People open it in spreadsheets.
function asCsv(result) {
	return [result.columns.map((c) => c.name), ...result.rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}

// Numbers stay texts where JSON's readers would lose digits.
function asJson(result) {
	const value = (v, column) => (typeof v === 'string' && NUMBERS.test(column.type) && String(Number(v)) === v ? Number(v) : v);
	return JSON.stringify(result.rows.map((row) => Object.fromEntries(result.columns.map((c, i) => [c.name, value(row[i], c)]))), null, 1);
}

function save(name, type, data) {
	const url = URL.createObjectURL(new Blob([data], { type }));
	const a = document.createElement('a');
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 60000); // once it is written
}

function Result({ result }) {
	const rows = result.rows.length;
	return html`<section class="panel" aria-labelledby="h-result">
		<div class="head"><h2 id="h-result">Result</h2><div class="row">
			<button onClick=${() => save('result.csv', 'text/csv;charset=utf-8', asCsv(result))}>Save as CSV</button>
			<button onClick=${() => save('result.json', 'application/json', asJson(result))}>Save as JSON</button></div></div>
		<p class="small muted" role="status">${count(rows)} ${rows === 1 ? 'row' : 'rows'} in ${duration(Number(result.elapsed_ms) / 1000)}.</p>
		${result.truncated ? html`<p class="note-box">There are more: only the first ${count(rows)} rows were taken, and are saved. Narrow the query, or raise the limit.</p>` : null}
		<${Table} caption="Rows of the result" rows=${result.rows} empty="No rows." columns=${result.columns.map((column, i) => ({
			name: html`${column.name}<span class="type">${column.type}</span>`, head: i === 0, number: i > 0 && NUMBERS.test(column.type),
			cell: (row) => html`<${Cell} value=${row[i]} />`,
		}))} /></section>`;
}

// [from, to] in the text of "line 2, column 3"; without a column its line.
function findPlace(sql, place) {
	const found = /^line (\d+)(?:, column (\d+))?/.exec(place);
	if (!found) {
		return null;
	}
	const lines = sql.split('\n');
	const line = Number(found[1]) - 1;
	if (line >= lines.length) {
		return null;
	}
	const start = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0);
	const before = found[2] ? [...lines[line]].slice(0, Number(found[2]) - 1).join('').length : 0;
	const word = found[2] ? /^[\w.]+|^./.exec(lines[line].slice(before)) : [lines[line]];
	return [start + before, start + before + (word ? word[0].length : 0)];
}

function Failed({ error, sql, field }) {
	if (error.code === 'console.no_api' || error.absent) {
		return html`<p class="note-box" role="alert">No API is configured: set the option <code>api</code> of this service to the address of a service <code>api</code>.</p>`;
	}
	const place = findPlace(sql, error.place);
	return html`<${Problem} error=${error} />
		${error.status === 401 ? html`<p class="note-box">A key is made with <code>dripline key create --role ROLE --name NAME</code>; it may have expired or been revoked.</p>` : null}
		${place ? html`<p><button onClick=${() => { field.current.focus(); field.current.setSelectionRange(...place); }}>Show ${error.place} in the query</button></p>` : null}`;
}

export function Query() {
	const [sql, setSql] = useState(tab.get('sql') || '');
	const [key, setKey] = useState(tab.get('key') || '');
	const [limit, setLimit] = useState(1000);
	const [state, setState] = useState({});
	const field = useRef();
	const running = useRef();
	useEffect(() => () => running.current && running.current.abort(), []); // a page that is left waits for nothing
	const run = async (event) => {
		event.preventDefault();
		if (state.stop || !sql.trim()) {
			return;
		}
		const stop = new AbortController();
		tab.set('sql', sql);
		tab.set('key', key.trim());
		running.current = stop;
		setState({ stop });
		try {
			setState({ result: await query(sql, limit, stop.signal) });
		} catch (error) {
			setState(stop.signal.aborted ? { left: true } : { error, sql });
		}
	};
	return html`<h1 tabindex="-1">Query</h1>
		<form class="panel" onSubmit=${run}>
			<label>SQL, one SELECT<textarea ref=${field} spellcheck=${false} required value=${sql} onInput=${(e) => setSql(e.target.value)}
				onKeyDown=${(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { run(e); } }}></textarea></label>
			<div class="row end"><label>Key of the API<input type="password" autocomplete="off" value=${key} onInput=${(e) => setKey(e.target.value)} /></label>
				<label>Rows at most<select value=${limit} onChange=${(e) => setLimit(Number(e.target.value))}>
					${LIMITS.map((n) => html`<option value=${n}>${n.toLocaleString('en')}</option>`)}</select></label>
				<button class="main" aria-disabled=${Boolean(state.stop)}>${state.stop ? 'Running …' : 'Run (Ctrl+Enter)'}</button>
				${state.stop ? html`<button type="button" onClick=${() => state.stop.abort()}>Do not wait</button>` : null}
				${key ? html`<button type="button" onClick=${() => { tab.remove('key'); setKey(''); }}>Forget the key</button>` : null}</div>
			<p class="small muted">The service <code>api</code> runs it with the rights of the key's role, hides what the role may not see, and records it. <a href="#/catalog">The catalog</a> lists the tables.</p>
		</form>
		<div role="status" class="hidden">${state.stop ? 'The query runs.' : state.result ? 'The query has ended.' : ''}</div>
		${state.left ? html`<p class="note-box" role="status">Not waited for. The API ends it at its time limit.</p>` : null}
		${state.error ? html`<${Failed} error=${state.error} sql=${state.sql} field=${field} />` : null}
		${state.result ? html`<${Result} key=${state.result} result=${state.result} />` : null}`;
}
