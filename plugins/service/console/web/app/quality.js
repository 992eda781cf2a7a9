// SPDX-License-Identifier: Apache-2.0
// What quality rules and checks of jobs found, as `dripline quality` prints it, and the dead letters they made.
import { html, useMemo } from '../lib/preact.js';
import { Fetched, Name, Table, count, foldShard, pipelineLink, time, useData } from './ui.js';

const LETTERS = 100; // listed
const BADGE = { warn: 'warn', 'dead-letter': 'bad', stop: 'bad' };

function stateOf(r) {
	return r.last_run.failed ? html`<span class=${`badge ${BADGE[r.action]}`}>broken</span>` : html`<span class="badge ok">holds</span>`;
}

// Monthly shards of one table as one row.
function fold(results) {
	const found = new Map();
	const later = (a, b) => (!a || (b && b > a) ? b : a);
	for (const r of results) {
		const table = foldShard(r.table || '');
		const key = `${r.pipeline} ${r.stage} ${r.rule} ${table} ${r.action}`;
		const known = found.get(key);
		found.set(key, known ? {
			...known, shards: known.shards + 1, failed: known.failed + r.failed, checked: known.checked + r.checked, day: later(known.day, r.day),
			last_failed: later(known.last_failed, r.last_failed), last_run: { failed: known.last_run.failed + r.last_run.failed },
		} : { ...r, key, table, shards: 1 });
	}
	return [...found.values()].sort((a, b) => (b.last_run.failed > 0) - (a.last_run.failed > 0));
}

// Broken ones first.
function Rules() {
	const of = useData('api/v1/quality', {}, 5);
	const rows = useMemo(() => fold(of.data || []), [of.data]);
	return html`<${Fetched} of=${of} what="results">${() => html`
		<p class="small" role="status">${count(rows.filter((r) => !r.last_run.failed).length)} of ${count(rows.length)} hold, by the rows of their last run.</p>
		<${Table} caption="Results by rule and table, broken ones first" rows=${rows}
			keyOf=${(r) => r.key} empty="No rule has checked anything yet." columns=${[
				{ name: 'Rule', head: true, cell: (r) => html`<code><${Name} of=${r.rule} /></code>` },
				{ name: 'Table', cell: (r) => html`<${Name} of=${r.table} />${r.shards > 1 ? html` <span class="small muted">${r.shards} shards</span>` : null}` },
				{ name: 'Pipeline', cell: (r) => html`<a href=${pipelineLink(r.pipeline)}><${Name} of=${r.pipeline} /></a>` },
				{ name: 'State', cell: stateOf },
				{ name: 'Action', cell: (r) => r.action },
				{ name: 'Broken by', number: true, cell: (r) => count(r.failed) },
				{ name: 'Rows checked', number: true, cell: (r) => (r.checked ? count(r.checked) : '') },
				{ name: 'Day', whole: true, cell: (r) => r.day },
				{ name: 'Last broken', whole: true, cell: (r) => (r.last_failed ? time(r.last_failed) : 'never') },
			]} />`}<//>`;
}

// How many there are, by stage; the table of the letters themselves is only of the newest.
function Counts({ listed }) {
	const of = useData('api/v1/dead-letter-counts', {}, 10);
	const all = (of.data || []).reduce((sum, c) => sum + c.count, 0);
	if (all === 0) {
		return null;
	}
	return html`<p class="small" role="status">${count(all)} in all${all > listed ? `, the newest ${count(listed)} are listed below` : ''}.</p>
		<${Table} caption="Dead letters by stage, most first" rows=${[...of.data].sort((a, b) => b.count - a.count)} size=${10} keyOf=${(c) => `${c.pipeline} ${c.stage}`} columns=${[
			{ name: 'Pipeline', head: true, cell: (c) => html`<a href=${pipelineLink(c.pipeline)}><${Name} of=${c.pipeline} /></a>` },
			{ name: 'Stage', cell: (c) => c.stage },
			{ name: 'Dead letters', number: true, cell: (c) => count(c.count) },
		]} />`;
}

export function Quality() {
	const letters = useData('api/v1/dead-letters', { limit: LETTERS, order: 'newest' }, 10);
	return html`<h1 tabindex="-1">Quality</h1>
		<section class="panel" aria-labelledby="h-rules"><h2 id="h-rules">Rules and checks</h2>
			<p class="small muted">Of <code>quality</code> stages, feeds and jobs: what each found on the last day (UTC) on which it checked. <code>dripline quality --days 30</code> shows more.</p><${Rules} /></section>
		<section class="panel" aria-labelledby="h-letters"><h2 id="h-letters">Dead letters</h2>
			<p class="small muted">Rows that a stage refused, without their values. <code>dripline dlq show ID</code> shows one, <code>dripline dlq replay ID</code> puts it back.</p>
			<${Counts} listed=${letters.data ? letters.data.length : 0} />
			<${Fetched} of=${letters} what="dead letters">${(data) => html`<${Table} caption="Dead letters" rows=${data} keyOf=${(l) => l.id} empty="None." columns=${[
				{ name: 'ID', number: true, cell: (l) => l.id },
				{ name: 'Pipeline', head: true, cell: (l) => html`<a href=${pipelineLink(l.pipeline)}><${Name} of=${l.pipeline} /></a>` },
				{ name: 'Stage', cell: (l) => l.stage },
				{ name: 'Table', cell: (l) => l.table },
				{ name: 'Reason', wide: true, cell: (l) => html`${l.reason} <code>[${l.code}]</code>` },
				{ name: 'When', whole: true, cell: (l) => time(l.time) },
			]} />`}<//></section>`;
}
