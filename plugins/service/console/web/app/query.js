// SPDX-License-Identifier: Apache-2.0
// SQL through the service api, which checks it, masks by role and writes it into its audit. The key
// is the reader's own, kept for this tab.
import { html, useState } from '../lib/preact.js';
import { post } from './api.js';
import { Problem, Table, count } from './ui.js';

const LIMIT = 1000;

function text(value) {
	return value === null || value === undefined ? html`<span class="muted">null</span>` : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function nameOf(column) {
	return typeof column === 'string' ? column : column.name;
}

function Result({ result }) {
	const columns = (result.columns || []).map(nameOf);
	return html`<section class="panel" aria-labelledby="h-result"><h2 id="h-result">Result</h2>
		<p class="small muted" role="status">${count(result.rows.length)} rows${result.truncated ? ', cut at the limit' : ''}</p>
		<${Table} caption="Rows of the result" rows=${result.rows} empty="No rows." columns=${columns.map((name, i) => ({
			name, head: i === 0, cell: (row) => text(Array.isArray(row) ? row[i] : row[name]),
		}))} /></section>`;
}

export function Query() {
	const [sql, setSql] = useState(sessionStorage.getItem('sql') || '');
	const [key, setKey] = useState(sessionStorage.getItem('key') || '');
	const [state, setState] = useState({});
	const run = async (event) => {
		event.preventDefault();
		sessionStorage.setItem('sql', sql);
		sessionStorage.setItem('key', key);
		setState({ busy: true });
		try {
			setState({ result: await post('api/v1/query', { sql, limit: LIMIT }, { 'Dripline-Key': key }) });
		} catch (error) {
			setState({ error });
		}
	};
	const unset = state.error && (state.error.code === 'console.no_api' || state.error.absent);
	return html`<h1 tabindex="-1">Query</h1>
		<form class="panel" onSubmit=${run}>
			<label>SQL, one SELECT<textarea spellcheck=${false} required value=${sql} onInput=${(e) => setSql(e.target.value)}
				onKeyDown=${(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { run(e); } }}></textarea></label>
			<div class="row end"><label>Key of the API<input type="password" autocomplete="off" value=${key} onInput=${(e) => setKey(e.target.value)} /></label>
				<button class="main" disabled=${state.busy}>${state.busy ? 'Running …' : 'Run (Ctrl+Enter)'}</button></div>
			<p class="small muted">The service <code>api</code> runs it with the rights of the key's role, hides what the role may not see, and records it. At most ${count(LIMIT)} rows.</p>
		</form>
		${unset ? html`<p class="note-box" role="alert">No API is configured: set the option <code>api</code> of this service to the address of a service <code>api</code>.</p>`
			: state.error ? html`<${Problem} error=${state.error} />` : null}
		${state.result ? html`<${Result} result=${state.result} />` : null}`;
}
