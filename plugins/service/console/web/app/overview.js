// SPDX-License-Identifier: Apache-2.0
// The first page: is everything running, how fast, how fresh.
import { html } from '../lib/preact.js';
import { live, pickAll, pickPipeline, rate, rates } from './api.js';
import { Chart } from './chart.js';
import { Problem, Spark, State, Strip, Table, bytes, count, duration, perSecond, pipelineLink, useData, useLive } from './ui.js';

// The platform's targets: streams 15 minutes, scheduled jobs 4 hours.
const STREAM_S = 15 * 60;
const BATCH_S = 4 * 3600;

// {seconds, target, ok}: how old what the sinks hold may be. A job is as fresh as its last good run.
export function freshness(p, lastGood, now) {
	const target = p.scheduled ? BATCH_S : STREAM_S;
	let seconds = p.lag_seconds;
	if (p.state === 'finished' && !p.scheduled) {
		seconds = null; // it has an end, and reached it
	} else if (p.scheduled) {
		seconds = lastGood[p.name] !== undefined ? now - lastGood[p.name] : null;
	} else if (seconds === null) {
		seconds = p.checkpoint_age_seconds;
	}
	return { seconds, target, ok: seconds === null || seconds === undefined ? null : seconds <= target };
}

export function useLastGood() {
	const runs = useData('api/v1/runs', { limit: 1000 }, 15);
	const last = {};
	for (const run of runs.data || []) {
		if (run.state === 'succeeded' && run.ended) {
			last[run.pipeline] = Math.max(last[run.pipeline] || 0, Date.parse(run.ended) / 1000);
		}
	}
	return last;
}

function Fresh({ value }) {
	if (value.ok === null) {
		return '–';
	}
	return html`<span class=${`badge ${value.ok ? 'ok' : 'bad'}`}>${duration(value.seconds)}</span>
		<span class="hidden"> ${value.ok ? 'within' : 'over'} its target of ${duration(value.target)}</span>`;
}

function strip(status, fresh) {
	const all = status.pipelines;
	const failed = all.filter((p) => p.state === 'failed').length;
	const retrying = all.filter((p) => p.state === 'retrying').length;
	const dead = all.reduce((sum, p) => sum + p.rows_dead, 0);
	const known = all.filter((p) => fresh[p.name].ok !== null);
	const good = known.filter((p) => fresh[p.name].ok).length;
	const lags = all.map((p) => p.lag_seconds).filter((lag) => lag !== null);
	return [
		['Running', `${all.filter((p) => p.state === 'running').length} of ${all.length}`,
			failed ? 'bad' : retrying ? 'warn' : 'ok', failed ? `${failed} failed` : retrying ? `${retrying} retrying` : 'none failed'],
		['Rows in', perSecond(rate(pickAll('in'))), '', 'a second'],
		['Rows out', perSecond(rate(pickAll('out'))), '', 'a second'],
		['Longest lag', duration(lags.length ? Math.max(...lags) : null), '', 'of all pipelines'],
		['Fresh', known.length ? `${good} of ${known.length}` : '–', good === known.length ? 'ok' : 'bad', 'streams 15 min, jobs 4 h'],
		['Dead letters', count(dead), dead ? 'warn' : '', 'since the start'],
		['Memory', bytes(status.rss_bytes), '', `up ${duration(status.uptime_seconds)}`],
	];
}

function columns(fresh) {
	return [
		{ name: 'Pipeline', head: true, cell: (p) => html`<a href=${pipelineLink(p.name)}>${p.name}</a>` },
		{ name: 'State', cell: (p) => html`<${State} state=${p.state} />` },
		{ name: 'Age of data', cell: (p) => html`<${Fresh} value=${fresh[p.name]} />` },
		{ name: 'Lag', number: true, cell: (p) => duration(p.lag_seconds) },
		{ name: 'In a second', number: true, cell: (p) => perSecond(rate(pickPipeline(p.name, 'in'))) },
		{ name: 'Out a second', number: true, cell: (p) => perSecond(rate(pickPipeline(p.name, 'out'))) },
		{ name: 'Last minutes', cell: (p) => html`<${Spark} values=${rates(pickPipeline(p.name, 'out'))} label=${`rows a second of ${p.name}`} />` },
		{ name: 'Rows out', number: true, cell: (p) => count(p.rows_out) },
		{ name: 'Dead letters', number: true, cell: (p) => count(p.rows_dead) },
	];
}

export function Overview({ theme }) {
	const { status } = useLive();
	const lastGood = useLastGood();
	if (!status) {
		return html`<h1 tabindex="-1">Overview</h1><p class="muted" role="status">Waiting for the daemon …</p>`;
	}
	const now = Date.parse(status.now) / 1000;
	const fresh = Object.fromEntries(status.pipelines.map((p) => [p.name, freshness(p, lastGood, now)]));
	const broken = status.pipelines.filter((p) => p.last_error && ['failed', 'retrying'].includes(p.state));
	return html`
		<h1 tabindex="-1">Overview</h1>
		<${Strip} label="Key figures" items=${strip(status, fresh)} />
		${broken.map((p) => html`<section class="panel" key=${p.name} aria-label=${`Error of ${p.name}`}>
			<h2><a href=${pipelineLink(p.name)}>${p.name}</a> <${State} state=${p.state} /></h2><${Problem} error=${p.last_error} />
		</section>`)}
		<section class="panel" aria-labelledby="h-pipelines">
			<h2 id="h-pipelines">Pipelines</h2>
			<${Table} caption="Pipelines with state, freshness and rates" columns=${columns(fresh)} rows=${status.pipelines}
				keyOf=${(p) => p.name} empty="No pipeline is configured." />
		</section>
		<section class="panel" aria-labelledby="h-rates">
			<h2 id="h-rates">Rows a second, all pipelines</h2>
			<${Chart} label="Rows a second of all pipelines" theme=${theme} times=${live.samples.map((s) => s.at)}
				series=${[{ name: 'in', values: rates(pickAll('in')) }, { name: 'out', values: rates(pickAll('out')) }]} />
		</section>`;
}
