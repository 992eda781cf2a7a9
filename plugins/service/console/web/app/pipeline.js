// SPDX-License-Identifier: Apache-2.0
// One pipeline: its stages as they work, and its switch.
import { html, useState } from '../lib/preact.js';
import { live, pickPipeline, pickStage, post, rate, rates } from './api.js';
import { Chart } from './chart.js';
import { Graph } from './graph.js';
import { freshness, useLastGood } from './overview.js';
import { Absent, Confirm, Problem, State, Strip, Table, bytes, count, duration, perSecond, pipelineLink, time, useData, useLive } from './ui.js';

const PAUSABLE = ['running', 'starting', 'retrying', 'waiting'];
const RESUMABLE = ['paused', 'failed', 'stopped'];

function stageRate(name, s) {
	return rate(pickStage(name, s.id, s.kind === 'source' ? 'out' : 'in'));
}

function graphOf(p) {
	const nodes = p.stages.map((s) => ({
		id: s.id,
		name: s.id,
		lines: [s.component === s.id ? s.kind : `${s.kind} ${s.component}`, `${perSecond(stageRate(p.name, s))} rows/s`,
			...(s.rows_dead ? [`${count(s.rows_dead)} dead letters`] : [])],
		tone: s.rows_dead ? 'bad' : s.kind,
		fill: s.queue_limit_bytes ? s.queue_bytes / s.queue_limit_bytes : undefined,
	}));
	return { nodes, edges: p.stages.filter((s) => s.input).map((s) => ({ from: s.input, to: s.id })) };
}

const STAGE_COLUMNS = (name) => [
	{ name: 'Stage', head: true, cell: (s) => s.id },
	{ name: 'Kind', cell: (s) => `${s.kind} ${s.component}` },
	{ name: 'Takes from', cell: (s) => s.input || '–' },
	{ name: 'Rows a second', number: true, cell: (s) => perSecond(stageRate(name, s)) },
	{ name: 'Rows in', number: true, cell: (s) => count(s.rows_in) },
	{ name: 'Rows out', number: true, cell: (s) => count(s.rows_out) },
	{ name: 'Filtered', number: true, cell: (s) => count(s.rows_filtered) },
	{ name: 'Dead letters', number: true, cell: (s) => count(s.rows_dead) },
	{
		name: 'Queue',
		cell: (s) => (s.queue_limit_bytes
			? html`<meter min="0" max="1" high="0.9" value=${s.queue_bytes / s.queue_limit_bytes} aria-label=${`queue of ${s.id}`}></meter>
				<span class="small whole"> ${bytes(s.queue_bytes)} of ${bytes(s.queue_limit_bytes)}</span>`
			: '–'),
	},
	{ name: 'Busy', number: true, cell: (s) => duration(s.busy_seconds) },
];

function Switch({ pipeline }) {
	const [asking, setAsking] = useState(null);
	const [failure, setFailure] = useState(null);
	const [busy, setBusy] = useState(false);
	const run = async (verb) => {
		setBusy(true);
		setFailure(null);
		try {
			await post(`api/v1/pipelines/${encodeURIComponent(pipeline.name)}/${verb}`);
		} catch (error) {
			setFailure(error);
		}
		setBusy(false);
	};
	const texts = {
		pause: ['Pause', `What ${pipeline.name} has read is committed, and it reads no more until it is resumed.`],
		resume: ['Resume', `${pipeline.name} goes on at its last checkpoint.`],
	};
	return html`<div class="row">
		<button disabled=${busy || !PAUSABLE.includes(pipeline.state)} onClick=${() => setAsking('pause')}>Pause</button>
		<button disabled=${busy || !RESUMABLE.includes(pipeline.state)} onClick=${() => setAsking('resume')}>Resume</button>
		${asking ? html`<${Confirm} title=${`${texts[asking][0]} ${pipeline.name}?`} text=${texts[asking][1]} action=${texts[asking][0]}
			onDone=${(yes) => { setAsking(null); if (yes) { run(asking); } }} />` : null}
		${failure ? html`<${Problem} error=${failure} />` : null}
	</div>`;
}

function Checkpoints({ name }) {
	const of = useData('api/v1/checkpoints', { pipeline: name }, 5);
	if (!of.data) {
		return html`<${Absent} of=${of} what="checkpoints" />`;
	}
	return html`<${Table} caption="Checkpoints" rows=${of.data} keyOf=${(c) => c.partition} empty="None yet." columns=${[
		{ name: 'Partition', head: true, cell: (c) => c.partition || '(one)' },
		{ name: 'Position', wide: true, cell: (c) => html`<code>${c.position}</code>` },
		{ name: 'Epoch', number: true, cell: (c) => c.epoch },
		{ name: 'Committed', cell: (c) => time(c.committed) },
	]} />`;
}

function Progress({ name }) {
	const of = useData('api/v1/progress', {}, 5);
	const rows = (of.data || []).filter((p) => p.pipeline === name && p.total > 0);
	if (rows.length === 0) {
		return null;
	}
	return html`<section class="panel" aria-labelledby="h-progress"><h2 id="h-progress">Snapshots and backfills</h2>
		<${Table} caption="Tables that are loaded" rows=${rows} keyOf=${(p) => p.stage + p.table} columns=${[
			{ name: 'Table', head: true, cell: (p) => p.table },
			{ name: 'Done', number: true, cell: (p) => count(p.done) },
			{ name: 'Total', number: true, cell: (p) => count(p.total) },
			{ name: 'Part', cell: (p) => html`<meter min="0" max="1" value=${p.done / p.total} aria-label=${`done of ${p.table}`}></meter>` },
		]} /></section>`;
}

export function Pipeline({ parts, theme }) {
	return parts[0] ? html`<${One} name=${parts[0]} theme=${theme} />` : html`<${All} />`;
}

function All() {
	const { status } = useLive();
	return html`<h1 tabindex="-1">Pipelines</h1>
		${status ? status.pipelines.map((p) => html`<section class="panel" key=${p.name} aria-label=${p.name}>
			<h2><a href=${pipelineLink(p.name)}>${p.name}</a> <${State} state=${p.state} /></h2>
			<${Graph} label=${`Stages of ${p.name}`} ...${graphOf(p)} /></section>`) : html`<p class="muted" role="status">Waiting for the daemon …</p>`}`;
}

function One({ name, theme }) {
	const { status } = useLive();
	const lastGood = useLastGood();
	const p = status && status.pipelines.find((one) => one.name === name);
	if (!p) {
		return html`<h1 tabindex="-1">${name}</h1><p class="muted" role="status">${status ? 'There is no such pipeline.' : 'Waiting for the daemon …'}</p>`;
	}
	const fresh = freshness(p, lastGood, Date.parse(status.now) / 1000);
	const graph = graphOf(p);
	return html`
		<div class="head"><h1 tabindex="-1">${name} <${State} state=${p.state} /></h1><${Switch} pipeline=${p} /></div>
		${p.last_error ? html`<${Problem} error=${p.last_error} />` : null}
		<${Strip} label="Key figures" items=${[
			['Rows in', perSecond(rate(pickPipeline(name, 'in'))), '', 'a second'],
			['Rows out', perSecond(rate(pickPipeline(name, 'out'))), '', 'a second'],
			['Lag', duration(p.lag_seconds), '', p.caught_up ? 'caught up' : 'behind its source'],
			['Age of data', duration(fresh.seconds), fresh.ok === null ? '' : fresh.ok ? 'ok' : 'bad', `target ${duration(fresh.target)}`],
			['In flight', count(p.rows_in_flight), '', 'rows'],
			['Dead letters', count(p.rows_dead), p.rows_dead ? 'warn' : '', `of ${count(p.rows_in)} rows`],
			['Commits', count(p.commits), '', `epoch ${p.epoch}`],
		]} />
		<section class="panel" aria-labelledby="h-stages">
			<h2 id="h-stages">Stages</h2>
			<${Graph} label=${`Stages of ${name}`} ...${graph} />
			<${Table} caption=${`Stages of ${name}`} columns=${STAGE_COLUMNS(name)} rows=${p.stages} keyOf=${(s) => s.id} />
		</section>
		<section class="panel" aria-labelledby="h-chart">
			<h2 id="h-chart">Rows a second</h2>
			<${Chart} label=${`Rows a second of ${name}`} theme=${theme} times=${live.samples.map((s) => s.at)}
				series=${[{ name: 'in', values: rates(pickPipeline(name, 'in')) }, { name: 'out', values: rates(pickPipeline(name, 'out')) }]} />
		</section>
		<${Progress} name=${name} />
		<section class="panel" aria-labelledby="h-position">
			<h2 id="h-position">Checkpoints</h2>
			<p class="small">At <code>${p.position || 'its beginning'}</code>, committed ${duration(p.checkpoint_age_seconds)} ago.</p>
			<${Checkpoints} name=${name} />
			<p><a href=${`#/runs/${encodeURIComponent(name)}`}>Runs and log of ${name}</a></p>
		</section>`;
}
