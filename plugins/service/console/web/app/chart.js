// SPDX-License-Identifier: Apache-2.0
// Figures over time by uPlot: the last hour, or the last minutes each second. What a chart shows is
// also said in its label.
import { html, useEffect, useMemo, useRef, useState } from '../lib/preact.js';
import { live, pastOf, pickAll, pickPipeline, rate, rates } from './api.js';
import { clock, duration, perSecond } from './ui.js';

const HEIGHT = 190;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];

function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function make(parent, series, format) {
	const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } };
	const colours = ['--accent', '--ok', '--warn', '--bad'];
	return new window.uPlot({
		width: Math.max(240, parent.clientWidth),
		height: HEIGHT,
		cursor: { y: false },
		legend: { live: false },
		scales: { x: { range: (u, low, high) => [Math.min(low, high - 30), high] }, y: { range: (u, low, high) => [0, Math.max(1, (high || 0) * 1.1)] } },
		axes: [{ ...axis, space: 90, incrs: STEPS, values: (u, all) => all.map((v) => clock(new Date(v * 1000))) }, { ...axis, size: 74, values: (u, all) => all.map(format) }],
		series: [{}, ...series.map((s, i) => ({ label: s.name, stroke: colour(colours[i % colours.length]), width: 2, points: { show: false }, value: (u, v) => format(v) }))],
	}, [[], ...series.map(() => [])], parent);
}

// series: [{name, values}], each as long as times; null is a gap.
function Chart({ label, times, series, theme, format }) {
	const place = useRef();
	const plot = useRef();
	const names = series.map((s) => s.name).join();
	useEffect(() => {
		plot.current = make(place.current, series, format);
		const watch = new ResizeObserver(() => {
			if (place.current && place.current.clientWidth > 0) {
				plot.current.setSize({ width: Math.max(240, place.current.clientWidth), height: HEIGHT });
			}
		});
		watch.observe(place.current);
		return () => {
			watch.disconnect();
			plot.current.destroy();
			plot.current = null;
		};
	}, [names, theme]);
	useEffect(() => {
		plot.current.setData([times, ...series.map((s) => s.values)]);
	});
	const now = series.map((s) => `${s.name} ${format(s.values[s.values.length - 1])}`).join(', ');
	return html`<div class="chart" role="img" aria-label=${`${label}: now ${now}`} ref=${place}></div>`;
}

// The hour before now. Where samples are missing, since no daemon ran, there is a gap.
function useHour(name, figures) {
	const { past } = live;
	const end = past && past.times.length ? past.times[past.times.length - 1] : 0;
	return useMemo(() => {
		const { times, values } = pastOf(name, figures);
		const shown = { times: [], values: figures.map(() => []) };
		times.forEach((at, i) => {
			if (i > 0 && at - times[i - 1] > 3 * past.step) {
				shown.times.push(times[i - 1] + past.step);
				shown.values.forEach((list) => list.push(null));
			}
			shown.times.push(at);
			shown.values.forEach((list, k) => list.push(values[k][i]));
		});
		return shown;
	}, [name, past, end, past && past.times.length]);
}

// The hour and what is so now.
function withNow(hour, now) {
	const last = live.samples[live.samples.length - 1];
	return last && last.at > (hour.times[hour.times.length - 1] || 0)
		? { times: [...hour.times, last.at], values: hour.values.map((list, i) => [...list, now[i]]) } : hour;
}

// Rows a second of one pipeline, or without `name` of all.
export function Rates({ id, title, name, theme }) {
	const [long, setLong] = useState(true);
	const hour = useHour(name, ['in', 'out']);
	const picks = ['in', 'out'].map((side) => (name === undefined ? pickAll(side) : pickPipeline(name, side)));
	const { times, values } = long ? withNow(hour, picks.map(rate)) : { times: live.samples.map((s) => s.at), values: picks.map(rates) };
	const choose = (is, text) => html`<button aria-pressed=${long === is} onClick=${() => setLong(is)}>${text}</button>`;
	return html`<section class="panel" aria-labelledby=${id}>
		<div class="head"><h2 id=${id}>${title}</h2><div class="row">${choose(true, 'Last hour')}${choose(false, 'Last 3 minutes')}</div></div>
		<${Chart} label=${title} theme=${theme} format=${perSecond} times=${times} series=${[{ name: 'in', values: values[0] }, { name: 'out', values: values[1] }]} />
	</section>`;
}

// The lag of one pipeline over the last hour; nothing where it never was known.
export function Lag({ id, name, theme }) {
	const hour = useHour(name, ['lag']);
	const last = live.samples[live.samples.length - 1];
	if (hour.values[0].every((v) => v === null)) {
		return null;
	}
	const { times, values } = withNow(hour, [last && last.pipelines[name] ? last.pipelines[name].lag : null]);
	return html`<section class="panel" aria-labelledby=${id}>
		<h2 id=${id}>Lag behind the source, last hour</h2>
		<${Chart} label="Lag" theme=${theme} format=${duration} times=${times} series=${[{ name: 'lag', values: values[0] }]} />
	</section>`;
}

const BARS = 60; // of a spark: a minute each
const SPARK = { width: 96, height: 20 };

// The last hour of a pipeline's rows out, small. The most of each minute, so that no burst is lost.
export function Spark({ name }) {
	const { times, values } = useHour(name, ['out']);
	const { points, max } = useMemo(() => {
		const end = times.length ? times[times.length - 1] : 0;
		const bars = new Array(BARS).fill(null);
		times.forEach((at, i) => {
			const bar = BARS - 1 - Math.floor((end - at) / 60);
			if (bar >= 0 && values[0][i] !== null) {
				bars[bar] = Math.max(bars[bar], values[0][i]);
			}
		});
		const most = Math.max(0, ...bars);
		const y = (v) => SPARK.height - (v / (most || 1)) * (SPARK.height - 2);
		const point = (v, i) => `${((i / (BARS - 1)) * SPARK.width).toFixed(1)},${y(v).toFixed(1)}`;
		const all = bars.map((v, i) => (v === null ? '' : point(v, i))).filter(Boolean);
		return { max: most, points: (all.length === 1 ? [...all, ...all] : all).join(' ') }; // one is a dot
	}, [times]);
	return html`<svg class="spark" viewBox=${`0 0 ${SPARK.width} ${SPARK.height + 2}`} preserveAspectRatio="none" role="img" aria-label=${`at most ${perSecond(max)} rows a second in the last hour`}><polyline points=${points} /></svg>`;
}
