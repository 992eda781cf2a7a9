// SPDX-License-Identifier: Apache-2.0
// One pipeline: its stages as they work, and its switch.
import { html, useState } from '../lib/preact.js';
import { pickPipeline, pickStage, post, rate } from './api.js';
import { Lag, Rates } from './chart.js';
import { Graph } from './graph.js';
import { freshness, isBroken, useFind, useLastGood } from './overview.js';
import { Confirm, Fetched, Name, Problem, State, Strip, Table, bytes, count, duration, perSecond, pipelineLink, time, useData, useLive } from './ui.js';

const DRAWN = 24; // graphs on one page
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
	{ name: 'Rows/s', number: true, cell: (s) => perSecond(stageRate(name, s)) },
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

const VERBS = {
	pause: { name: 'Pause', doing: 'Pausing: what was read is being committed …', text: (n) => `What ${n} has read is committed, and it reads no more until it is resumed.`, from: PAUSABLE },
	resume: { name: 'Resume', doing: 'Resuming …', text: (n) => `${n} goes on at its last checkpoint.`, from: RESUMABLE },
	trigger: { name: 'Run now', doing: 'Asked for a run …', text: (n) => `${n} runs once, whatever its schedule says.`, from: ['waiting', 'finished'] },
};

// Asks, does it, and says so until the state is another one.
function Switch({ pipeline }) {
	const [asking, setAsking] = useState(null);
	const [doing, setDoing] = useState(null); // {verb, state: that it had}
	const [failure, setFailure] = useState(null);
	const run = async (verb) => {
		setDoing({ verb, state: pipeline.state, commits: pipeline.commits });
		setFailure(null);
		try {
			await post(`api/v1/pipelines/${encodeURIComponent(pipeline.name)}/${verb}`);
		} catch (error) {
			setFailure(error);
			setDoing(null);
		}
	};
	const pending = doing && doing.state === pipeline.state && doing.commits === pipeline.commits ? doing.verb : null;
	const verbs = Object.keys(VERBS).filter((verb) => verb !== 'trigger' || pipeline.scheduled);
	return html`<div class="row">
		<span class="small muted" role="status">${pending ? VERBS[pending].doing : ''}</span>
		${verbs.map((verb) => html`<button key=${verb} aria-disabled=${Boolean(pending) || !VERBS[verb].from.includes(pipeline.state)}
			onClick=${() => { if (!pending && VERBS[verb].from.includes(pipeline.state)) { setAsking(verb); } }}>${VERBS[verb].name}</button>`)}
		${asking ? html`<${Confirm} title=${`${VERBS[asking].name}: ${pipeline.name}?`} text=${VERBS[asking].text(pipeline.name)} action=${VERBS[asking].name}
			onDone=${(yes) => { setAsking(null); if (yes) { run(asking); } }} />` : null}
	</div>
	${failure ? html`<${Problem} error=${failure} />` : null}`;
}

function Checkpoints({ name }) {
	const of = useData('api/v1/checkpoints', { pipeline: name }, 5);
	return html`<${Fetched} of=${of} what="checkpoints">${(data) => (data.length === 1 && !data[0].partition ? null : html`<${Table} caption="Checkpoints" rows=${data} keyOf=${(c) => c.partition} empty="None yet." columns=${[
		{ name: 'Partition', head: true, cell: (c) => c.partition || '(one)' },
		{ name: 'Position', wide: true, cell: (c) => html`<code>${c.position}</code>` },
		{ name: 'Epoch', number: true, cell: (c) => c.epoch },
		{ name: 'Committed', whole: true, cell: (c) => time(c.committed) },
	]} />`)}<//>`;
}

const SNAPSHOT_COLUMNS = [
	{ name: 'Table', head: true, cell: (p) => html`<${Name} of=${p.table} />` },
	{ name: 'Done', number: true, cell: (p) => count(p.done) },
	{ name: 'Total', number: true, cell: (p) => count(p.total) },
	{ name: 'Part', cell: (p) => html`<meter min="0" max="1" value=${p.done / p.total} aria-label=${`done of ${p.table}`}></meter>` },
];

// Tables that are being loaded; of those that are, only how many.
function Progress({ name }) {
	const of = useData('api/v1/progress', {}, 5);
	const all = (of.data || []).filter((p) => p.pipeline === name && p.total > 0);
	const open = all.filter((p) => p.done < p.total);
	if (all.length === 0) {
		return null;
	}
	const rows = all.filter((p) => p.done >= p.total).reduce((sum, p) => sum + p.done, 0);
	return html`<section class="panel" aria-labelledby="h-progress"><h2 id="h-progress">Snapshots and backfills</h2>
		<p class="small">${count(all.length - open.length)} of ${count(all.length)} tables are loaded, ${count(rows)} rows.</p>
		${open.length ? html`<${Table} caption="Tables that are being loaded" rows=${open} keyOf=${(p) => p.stage + p.table} columns=${SNAPSHOT_COLUMNS} />` : null}</section>`;
}

export function Pipeline({ parts, theme }) {
	return parts[0] ? html`<${One} key=${parts[0]} name=${parts[0]} theme=${theme} />` : html`<${All} />`;
}

function All() {
	const { status } = useLive();
	const { find, shown } = useFind(status ? status.pipelines : []);
	if (!status) {
		return html`<h1 tabindex="-1">Pipelines</h1><p class="muted" role="status">Waiting for the daemon …</p>`;
	}
	return html`<h1 tabindex="-1">Pipelines</h1>
		${find ? html`<section class="panel" aria-label="Which">${find}</section>` : null}
		<div class="graphs">${shown.slice(0, DRAWN).map((p) => html`<section class="panel" key=${p.name} aria-label=${p.name}>
			<h2><a href=${pipelineLink(p.name)}>${p.name}</a> <${State} state=${p.state} /></h2>
			<${Graph} label=${`Stages of ${p.name}`} ...${graphOf(p)} /></section>`)}</div>
		${shown.length > DRAWN ? html`<section class="panel" aria-labelledby="h-others"><h2 id="h-others">The others</h2>
			<ul class="names">${shown.slice(DRAWN).map((p) => html`<li key=${p.name}><a href=${pipelineLink(p.name)}>${p.name}</a> <${State} state=${p.state} /></li>`)}</ul></section>` : null}
		${shown.length === 0 ? html`<p class="muted">${status.pipelines.length ? 'None is like that.' : 'No pipeline is configured.'}</p>` : null}`;
}

function nextRun(p, now) {
	const late = p.overdue_seconds > 60;
	const wait = p.next_run ? Date.parse(p.next_run) / 1000 - now : null;
	const at = time(p.next_run).split('\u00a0');
	return ['Next run', wait === null ? '–' : wait > 0 ? `in ${duration(wait < 60 ? wait : Math.ceil(wait / 60) * 60)}` : 'now', late ? 'warn' : '',
		late ? `one is ${duration(p.overdue_seconds)} overdue` : wait === null ? 'by its schedule' : wait < 12 * 3600 ? `at ${at[1]}` : `on ${at[0]}`];
}

function One({ name, theme }) {
	const { status } = useLive();
	const lastGood = useLastGood();
	const p = status && status.pipelines.find((one) => one.name === name);
	if (!p) {
		return html`<h1 tabindex="-1">${name}</h1><p class="muted" role="status">${status ? 'There is no such pipeline.' : 'Waiting for the daemon …'}</p>`;
	}
	const now = Date.parse(status.now) / 1000;
	const fresh = freshness(p, lastGood, now);
	const graph = graphOf(p);
	return html`
		<div class="head"><h1 tabindex="-1">${name} <${State} state=${p.state} /></h1><${Switch} pipeline=${p} /></div>
		${p.last_error ? html`<${Problem} error=${p.last_error}
			old=${isBroken(p) ? '' : `Its last error, ${duration(p.last_error_age_seconds)} ago`} />` : null}
		<${Strip} label="Key figures" items=${[
			['Rows in', perSecond(rate(pickPipeline(name, 'in'))), '', 'a second'],
			['Rows out', perSecond(rate(pickPipeline(name, 'out'))), '', 'a second'],
			p.scheduled
				? nextRun(p, now)
				: ['Lag', duration(p.lag_seconds), '', p.caught_up ? 'caught up' : p.lag_seconds === null ? 'not known yet' : 'behind its source'],
			['Age of data', fresh.ok === null ? '–' : fresh.text, fresh.ok === null ? '' : fresh.ok ? 'ok' : 'bad', fresh.target],
			['In flight', count(p.rows_in_flight), '', 'rows'],
			['Dead letters', count(p.rows_dead), p.rows_dead ? 'warn' : '', `of ${count(p.rows_in)} rows`],
			['Commits', count(p.commits), '', `epoch ${p.epoch}`],
		]} />
		<section class="panel" aria-labelledby="h-stages">
			<h2 id="h-stages">Stages</h2>
			<${Graph} label=${`Stages of ${name}`} ...${graph} />
			<${Table} caption=${`Stages of ${name}`} columns=${STAGE_COLUMNS(name)} rows=${p.stages} keyOf=${(s) => s.id} />
			<p class="small muted">Rows are counted since the daemon started. Queue: what waits before a sink. Busy: time in the stage's code, waiting for its server included.</p>
		</section>
		<${Rates} id="h-chart" title="Rows a second" name=${name} theme=${theme} />
		${p.scheduled ? null : html`<${Lag} id="h-lag" name=${name} theme=${theme} />`}
		<${Progress} name=${name} />
		<section class="panel" aria-labelledby="h-position">
			<h2 id="h-position">Checkpoints</h2>
			<p class="small">${p.checkpoint_age_seconds === null ? 'Nothing was committed since the daemon started.'
		: html`At <code>${p.position || 'its beginning'}</code>, committed ${duration(p.checkpoint_age_seconds)} ago.`}</p>
			<${Checkpoints} name=${name} />
			<p><a href=${`#/runs/${encodeURIComponent(name)}`}>Runs and log of ${name}</a></p>
		</section>`;
}
