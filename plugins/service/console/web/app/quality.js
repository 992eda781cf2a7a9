// SPDX-License-Identifier: Apache-2.0
// What the quality rules found since the daemon started, and the dead letters they made.
import { html } from '../lib/preact.js';
import { getText, query } from './api.js';
import { Absent, Fetched, Table, count, pipelineLink, time, useData, useLive } from './ui.js';

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

// Of each check the last result, and how often it has failed before.
const CHECKS = `SELECT check_name, pipeline, severity, violations, passed, checked_at,
	count(*) OVER checks AS runs, count(CASE WHEN NOT passed THEN 1 END) OVER checks AS failures
	FROM dw.quality_results WINDOW checks AS (PARTITION BY pipeline, check_name)
	QUALIFY row_number() OVER (PARTITION BY pipeline, check_name ORDER BY checked_at DESC) = 1
	ORDER BY passed, checked_at DESC`;

const readChecks = (path, { limit }, signal) => query(CHECKS, limit, signal);

// What jobs checked in the warehouse: read through the API, as the page Query does.
function Checks() {
	const of = useData('api/v1/query', { limit: 1000 }, 60, readChecks);
	if (of.error && of.error.code === 'console.no_api') {
		return html`<p class="note-box">No API is configured: see the page <a href="#/query">Query</a>.</p>`;
	}
	if (of.error && of.error.status === 401) {
		return html`<p class="note-box">The key is not known to the API, or has expired: give another on the page <a href="#/query">Query</a>.</p>`;
	}
	const result = (r) => (r[4] ? ['ok', 'passed'] : r[2] === 'error' ? ['bad', 'failed'] : ['warn', 'failed, a warning']);
	return html`<${Fetched} of=${of} what="queries">${(data) => html`
		<p class="small" role="status">${data.rows.filter((r) => r[4]).length} of ${data.rows.length} checks passed when they last ran.</p>
		<${Table} caption="Checks of jobs, failed ones first" rows=${data.rows} keyOf=${(r) => `${r[1]} ${r[0]}`} empty="No job has checked anything yet." columns=${[
			{ name: 'Check', head: true, cell: (r) => r[0] },
			{ name: 'Pipeline', cell: (r) => html`<a href=${pipelineLink(r[1])}>${r[1]}</a>` },
			{ name: 'Last result', cell: (r) => html`<span class=${`badge ${result(r)[0]}`}>${result(r)[1]}</span>` },
			{ name: 'Rows found', number: true, cell: (r) => count(Number(r[3])) },
			{ name: 'Failed before', number: true, cell: (r) => `${count(Number(r[7]))} of ${count(Number(r[6]))}` },
			{ name: 'When', cell: (r) => time(r[5]) },
		]} />`}<//>`;
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
			<${Fetched} of=${letters} what="dead letters">${(data) => html`<${Table} caption="Dead letters" rows=${data} keyOf=${(l) => l.id} empty="None." columns=${[
				{ name: 'ID', number: true, cell: (l) => l.id },
				{ name: 'Pipeline', head: true, cell: (l) => html`<a href=${pipelineLink(l.pipeline)}>${l.pipeline}</a>` },
				{ name: 'Stage', cell: (l) => l.stage },
				{ name: 'Table', cell: (l) => l.table },
				{ name: 'Reason', wide: true, cell: (l) => html`${l.reason} <code>[${l.code}]</code>` },
				{ name: 'When', cell: (l) => time(l.time) },
			]} />`}<//></section>`;
}
