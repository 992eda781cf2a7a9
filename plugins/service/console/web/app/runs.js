// SPDX-License-Identifier: Apache-2.0
// Runs of pipelines, and the last lines of the daemon's log.
import { html, useState } from '../lib/preact.js';
import { Fetched, Name, State, Table, duration, pipelineLink, time, useData, useLive } from './ui.js';

const RUNS = 100; // listed
const LINES = 200;
const LEVELS = { error: 'bad', warning: 'warn', info: 'info', debug: '' };

function Logs({ pipeline }) {
	const [level, setLevel] = useState('info');
	const of = useData('api/v1/logs', { pipeline, level, limit: LINES }, 3);
	return html`<section class="panel" aria-labelledby="h-log">
		<div class="head"><h2 id="h-log">Log</h2>
			<label>Level<select value=${level} onChange=${(e) => setLevel(e.target.value)}>
				${Object.keys(LEVELS).map((name) => html`<option value=${name}>${name} and worse</option>`)}</select></label></div>
		<${Fetched} of=${of} what="the log">${(data) => html`<ol class="log" reversed aria-label="Lines of the log, newest first">${[...data].reverse().map((line, i) => html`<li key=${line.ts + i}>
			<span class="muted">${time(line.ts)}</span> <span class=${`badge ${LEVELS[line.level]}`}>${line.level}</span>
			${line.pipeline || line.stage ? html` <strong>${[line.pipeline, line.stage].filter(Boolean).join('.')}</strong>` : null} ${line.msg}
			${line.code ? html`: ${line.error} <code>[${line.code}]</code>` : null}${line.hint ? html` <span class="muted">${line.hint}</span>` : null}</li>`)}</ol>
			${data.length === 0 ? html`<p class="muted">Nothing of this level.</p>` : null}
			${data.length === LINES ? html`<p class="small muted">The last ${LINES} lines; older ones are in the journal.</p>` : null}`}<//>
	</section>`;
}

export function Runs({ parts }) {
	const { status } = useLive();
	const pipeline = parts[0] || '';
	const of = useData('api/v1/runs', { pipeline, limit: RUNS }, 5);
	const names = status ? status.pipelines.map((p) => p.name) : [];
	const now = status ? Date.parse(status.now) : Date.now(); // the daemon's clock, where it is known
	const seconds = (r) => Math.max(0, (r.ended ? Date.parse(r.ended) : now) - Date.parse(r.begun)) / 1000;
	return html`<div class="head"><h1 tabindex="-1">Runs and log</h1>
			<label>Pipeline<select value=${pipeline} onChange=${(e) => { location.hash = e.target.value ? `#/runs/${encodeURIComponent(e.target.value)}` : '#/runs'; }}>
				<option value="">all</option>${names.map((name) => html`<option value=${name}>${name}</option>`)}</select></label></div>
		<section class="panel" aria-labelledby="h-runs"><h2 id="h-runs">Runs</h2>
			<${Fetched} of=${of} what="runs">${(data) => html`<${Table} caption="Runs, newest first" rows=${data} keyOf=${(r) => r.id} empty="No run yet." columns=${[
				{ name: 'Pipeline', head: true, cell: (r) => html`<a href=${pipelineLink(r.pipeline)}><${Name} of=${r.pipeline} /></a>` },
				{ name: 'State', cell: (r) => html`<${State} state=${r.state} />` },
				{ name: 'Begun', whole: true, cell: (r) => time(r.begun) },
				{ name: 'Took', number: true, cell: (r) => duration(seconds(r)) },
				{ name: 'Error', wide: true, cell: (r) => (r.code ? html`${r.message} <code>[${r.code}]</code>` : '') },
			]} />${data.length === RUNS ? html`<p class="small muted">The last ${RUNS}.</p>` : null}`}<//></section>
		<${Logs} pipeline=${pipeline} />`;
}
