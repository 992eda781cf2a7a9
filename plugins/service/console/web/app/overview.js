// SPDX-License-Identifier: Apache-2.0
// The first page: is everything running, how fast, how fresh.
import { html, useState } from '../lib/preact.js';
import { pickAll, pickPipeline, rate } from './api.js';
import { Rates, Spark } from './chart.js';
import { Name, Problem, State, Strip, Table, bytes, count, duration, perSecond, pipelineLink, useData, useLive } from './ui.js';

// The platform's targets: streams 15 minutes, jobs 4 hours from when they are due.
const STREAM_S = 15 * 60;
const BATCH_S = 4 * 3600;
const FIND_FROM = 12; // pipelines: with fewer, all are seen at once

// {seconds, ok, text, target}: how old what the sinks hold may be. A stream is as old as its lag; a
// job as its last good run, and late once one that was due has not succeeded for the target's time.
export function freshness(p, lastGood, now) {
	if (p.scheduled) {
		const seconds = lastGood[p.name] !== undefined ? now - lastGood[p.name] : null;
		const late = p.overdue_seconds || 0;
		const text = late > 60 ? `${duration(late)} overdue` : seconds === null ? 'on time' : duration(seconds);
		return { seconds, text, ok: late <= BATCH_S, target: `a good run within ${duration(BATCH_S)} of its time` };
	}
	const seconds = p.state === 'finished' ? null : p.lag_seconds; // that one has an end, and reached it
	const ok = seconds === null ? null : seconds <= STREAM_S;
	return { seconds, ok, text: duration(seconds), target: `target ${duration(STREAM_S)}` };
}

export function useLastGood() {
	const runs = useData('api/v1/runs', { limit: 1000 }, 15);
	const last = Object.create(null);
	for (const run of runs.data || []) {
		if (run.state === 'succeeded' && run.ended) {
			last[run.pipeline] = Math.max(last[run.pipeline] || 0, Date.parse(run.ended) / 1000);
		}
	}
	return last;
}

function Fresh({ value }) {
	if (value.ok === null) {
		return html`<span title="The source does not tell how old its rows are, or nothing was committed yet">–</span>`;
	}
	return html`<span class=${`badge ${value.ok ? 'ok' : 'bad'}`} title=${value.target}>${value.text}</span>
		<span class="hidden"> ${value.ok ? 'within' : 'over'} its target: ${value.target}</span>`;
}

// What needs someone: it failed, is being tried again, or is a job whose last runs were no good.
export function isBroken(p) {
	return Boolean(p.last_error) && (['failed', 'retrying'].includes(p.state) || (p.scheduled && p.overdue_seconds > 0 && p.state === 'waiting'));
}

function strip(status, fresh) {
	const all = status.pipelines;
	const streams = all.filter((p) => !p.scheduled && p.state !== 'finished');
	const jobs = all.filter((p) => p.scheduled);
	const broken = (list) => list.filter(isBroken).length;
	const tone = (list) => (list.some((p) => p.state === 'failed') ? 'bad' : broken(list) ? 'warn' : 'ok');
	const dead = all.reduce((sum, p) => sum + p.rows_dead, 0);
	const known = all.filter((p) => fresh[p.name].ok !== null);
	const good = known.filter((p) => fresh[p.name].ok).length;
	const lags = streams.map((p) => p.lag_seconds).filter((lag) => lag !== null);
	const lag = lags.length ? Math.max(...lags) : null;
	return [
		['Streams', streams.length ? `${streams.filter((p) => p.state === 'running').length} of ${streams.length}` : '–',
			streams.length ? tone(streams) : '', !streams.length ? 'none' : broken(streams) ? `running, ${broken(streams)} in trouble` : 'running'],
		['Jobs', jobs.length ? `${jobs.length - broken(jobs)} of ${jobs.length}` : '–', jobs.length ? tone(jobs) : '',
			jobs.length ? `in order, ${jobs.filter((p) => p.state === 'running').length} running now` : 'none'],
		['Rows in', perSecond(rate(pickAll('in'))), '', 'a second'],
		['Rows out', perSecond(rate(pickAll('out'))), '', 'a second'],
		['Longest lag', duration(lag), lag === null ? '' : lag <= STREAM_S ? 'ok' : 'bad', 'of all streams'],
		['Fresh data', known.length ? `${good} of ${known.length}` : '–', known.length ? (good === known.length ? 'ok' : 'bad') : '',
			`streams ${duration(STREAM_S)}, jobs ${duration(BATCH_S)}`],
		['Dead letters', count(dead), dead ? 'warn' : '', 'since the start'],
		['Memory', bytes(status.rss_bytes), '', `up ${duration(status.uptime_seconds)}`],
	];
}

function columns(fresh) {
	return [
		{ name: 'Pipeline', head: true, cell: (p) => html`<a href=${pipelineLink(p.name)}><${Name} of=${p.name} /></a>` },
		{ name: 'State', cell: (p) => html`<${State} state=${p.state} />` },
		{ name: 'Age of data', cell: (p) => html`<${Fresh} value=${fresh[p.name]} />` },
		{ name: 'Lag', number: true, cell: (p) => (p.scheduled || p.state === 'finished' ? '–' : duration(p.lag_seconds)) },
		{ name: 'Rows/s in', number: true, cell: (p) => perSecond(rate(pickPipeline(p.name, 'in'))) },
		{ name: 'Rows/s out', number: true, cell: (p) => perSecond(rate(pickPipeline(p.name, 'out'))) },
		{ name: 'Out, last hour', cell: (p) => html`<${Spark} name=${p.name} />` },
		{ name: 'Rows out', number: true, cell: (p) => count(p.rows_out) },
		{ name: 'Dead letters', number: true, cell: (p) => (p.rows_dead ? html`<span class="badge warn">${count(p.rows_dead)}</span>` : '0') },
	];
}

// {find, shown}: a form to narrow a list of pipelines by name and state, and what it leaves.
export function useFind(pipelines) {
	const [text, setText] = useState('');
	const [state, setState] = useState('');
	const states = [...new Set(pipelines.map((p) => p.state))].sort();
	const trouble = state === 'trouble';
	const shown = pipelines.filter((p) => p.name.toLowerCase().includes(text.toLowerCase()) && (!state || (trouble ? isBroken(p) : p.state === state)));
	const find = pipelines.length < FIND_FROM ? null : html`<div class="row end" role="search">
		<label>Find a pipeline<input type="search" value=${text} onInput=${(e) => setText(e.target.value)} /></label>
		<label>State<select value=${state} onChange=${(e) => setState(e.target.value)}>
			<option value="">all</option><option value="trouble">in trouble</option>${states.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
		<span class="muted small" role="status">${count(shown.length)} of ${count(pipelines.length)}</span></div>`;
	return { find, shown };
}

export function Overview({ theme }) {
	const { status } = useLive();
	const lastGood = useLastGood();
	const { find, shown } = useFind(status ? status.pipelines : []);
	if (!status) {
		return html`<h1 tabindex="-1">Overview</h1><p class="muted" role="status">Waiting for the daemon …</p>`;
	}
	const now = Date.parse(status.now) / 1000;
	const fresh = Object.assign(Object.create(null), Object.fromEntries(status.pipelines.map((p) => [p.name, freshness(p, lastGood, now)])));
	const broken = status.pipelines.filter(isBroken);
	return html`
		<h1 tabindex="-1">Overview</h1>
		<${Strip} label="Key figures" items=${strip(status, fresh)} />
		${broken.slice(0, 5).map((p) => html`<section class="panel" key=${p.name} aria-label=${`Error of ${p.name}`}>
			<h2><a href=${pipelineLink(p.name)}>${p.name}</a> <${State} state=${p.state} /></h2><${Problem} error=${p.last_error} />
		</section>`)}
		${broken.length > 5 ? html`<p class="note-box">${broken.length - 5} more are in trouble: choose that state below.</p>` : null}
		<section class="panel" aria-labelledby="h-pipelines">
			<h2 id="h-pipelines">Pipelines</h2>
			${find}
			<p class="small muted">Of a stream the age of its data is its lag, at most ${duration(STREAM_S)}; of a job the time since its last good run, which may be late by ${duration(BATCH_S)}. Rows are counted since the daemon started.</p>
			<${Table} caption="Pipelines with state, freshness and rates" columns=${columns(fresh)} rows=${shown}
				keyOf=${(p) => p.name} empty=${status.pipelines.length ? 'None is like that.' : 'No pipeline is configured.'} />
		</section>
		<${Rates} id="h-rates" title="Rows a second, all pipelines" theme=${theme} />`;
}
