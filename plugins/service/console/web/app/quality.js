// SPDX-License-Identifier: Apache-2.0
// What the quality rules found since the daemon started, and the dead letters they made.
import { html } from '../lib/preact.js';
import { getText, post } from './api.js';
import { Absent, Table, count, pipelineLink, time, useData, useLive } from './ui.js';

const SAMPLE = /^dripline_quality_violations_(\w+)_total\{pipeline="((?:[^"\\]|\\.)*)",stage="((?:[^"\\]|\\.)*)"\} ([0-9.e+]+)$/;

function violations(text) {
	const plain = (value) => value.replace(/\\(.)/g, '$1');
	return text.split('\n').map((line) => SAMPLE.exec(line)).filter(Boolean)
		.map((m) => ({ rule: m[1], pipeline: plain(m[2]), stage: plain(m[3]), count: Number(m[4]) }));
}

function Rules({ status }) {
	const of = useData('api/v1/metrics', {}, 5, (path, query, signal) => getText(path, signal));
	if (!of.data || !status) {
		return html`<${Absent} of=${of} what="metrics" />`;
	}
	const found = violations(of.data);
	const stages = status.pipelines.flatMap((p) => p.stages.filter((s) => s.component === 'quality').map((s) => ({ pipeline: p.name, ...s })));
	const rows = stages.flatMap((s) => {
		const own = found.filter((v) => v.pipeline === s.pipeline && v.stage === s.id);
		return (own.length ? own : [{ rule: '', count: 0 }]).map((v) => ({ ...s, ...v, stage: s.id }));
	});
	return html`<${Table} caption="Violations by rule" rows=${rows} keyOf=${(r) => `${r.pipeline} ${r.stage} ${r.rule}`}
		empty="No pipeline has a quality stage." columns=${[
			{ name: 'Pipeline', head: true, cell: (r) => html`<a href=${pipelineLink(r.pipeline)}>${r.pipeline}</a>` },
			{ name: 'Stage', cell: (r) => r.stage },
			{ name: 'Rule', cell: (r) => (r.rule ? html`<code>${r.rule}</code>` : html`<span class="badge ok">all hold</span>`) },
			{ name: 'Violations', number: true, cell: (r) => (r.count ? html`<span class="badge bad">${count(r.count)}</span>` : '0') },
			{ name: 'Rows checked', number: true, cell: (r) => count(r.rows_in) },
			{ name: 'Dead letters', number: true, cell: (r) => count(r.rows_dead) },
		]} />`;
}

const CHECKS = `SELECT checked_at, pipeline, check_name, severity, violations, passed FROM dw.quality_results
	ORDER BY checked_at DESC LIMIT 200`;

// What jobs checked in the warehouse: read through the API, as the page Query does.
function Checks() {
	const of = useData('api/v1/query', { sql: CHECKS }, 0, (path, query) =>
		post(path, { ...query, limit: 200 }, { 'Dripline-Key': sessionStorage.getItem('key') }));
	if (!of.data) {
		return of.error && of.error.code === 'console.no_api'
			? html`<p class="note-box">No API is configured: see the page Query.</p>` : html`<${Absent} of=${of} what="queries" />`;
	}
	return html`<${Table} caption="Checks of jobs, newest first" rows=${of.data.rows} empty="No job has checked anything yet." columns=${[
		{ name: 'Check', head: true, cell: (r) => r[2] },
		{ name: 'Pipeline', cell: (r) => html`<a href=${pipelineLink(r[1])}>${r[1]}</a>` },
		{ name: 'Result', cell: (r) => html`<span class=${`badge ${r[5] ? 'ok' : r[3] === 'error' ? 'bad' : 'warn'}`}>${r[5] ? 'passed' : 'failed'}</span>` },
		{ name: 'Rows found', number: true, cell: (r) => count(r[4]) },
		{ name: 'When', cell: (r) => time(r[0]) },
	]} />`;
}

export function Quality() {
	const { status } = useLive();
	const letters = useData('api/v1/dead-letters', { limit: 100 }, 10);
	return html`<h1 tabindex="-1">Quality</h1>
		<section class="panel" aria-labelledby="h-rules"><h2 id="h-rules">Rules</h2>
			<p class="small muted">Violations since the daemon started, of rules in <code>quality</code> stages.</p><${Rules} status=${status} /></section>
		<section class="panel" aria-labelledby="h-checks"><h2 id="h-checks">Checks of jobs</h2>
			${sessionStorage.getItem('key') ? html`<${Checks} />` : html`<p class="small muted">Their results are in the warehouse: give your key of the API on the page <a href="#/query">Query</a> to see them here.</p>`}</section>
		<section class="panel" aria-labelledby="h-letters"><h2 id="h-letters">Dead letters</h2>
			<p class="small muted">Rows that a stage refused, without their values. <code>dripline dlq show ID</code> shows one, <code>dripline dlq replay ID</code> puts it back.</p>
			${letters.data ? html`<${Table} caption="Dead letters" rows=${letters.data} keyOf=${(l) => l.id} empty="None." columns=${[
				{ name: 'ID', number: true, cell: (l) => l.id },
				{ name: 'Pipeline', head: true, cell: (l) => html`<a href=${pipelineLink(l.pipeline)}>${l.pipeline}</a>` },
				{ name: 'Stage', cell: (l) => l.stage },
				{ name: 'Table', cell: (l) => l.table },
				{ name: 'Reason', wide: true, cell: (l) => html`${l.reason} <code>[${l.code}]</code>` },
				{ name: 'When', cell: (l) => time(l.time) },
			]} />` : html`<${Absent} of=${letters} what="dead letters" />`}</section>`;
}
