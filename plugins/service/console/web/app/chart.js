// SPDX-License-Identifier: Apache-2.0
// Rows a second over the last minutes, by uPlot. What it shows is also said in its label.
import { html, useEffect, useRef } from '../lib/preact.js';
import { clock, perSecond } from './ui.js';

function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function make(parent, series) {
	const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } };
	const colours = ['--accent', '--ok', '--warn', '--bad'];
	return new window.uPlot({
		width: Math.max(240, parent.clientWidth),
		height: 190,
		cursor: { y: false },
		legend: { live: false },
		scales: { x: { range: (u, low, high) => [Math.min(low, high - 30), high] }, y: { range: (u, low, high) => [0, Math.max(1, (high || 0) * 1.1)] } },
		axes: [{ ...axis, space: 90, incrs: [1, 2, 5, 10, 15, 30, 60], values: (u, all) => all.map((v) => clock(new Date(v * 1000))) }, { ...axis, size: 64, values: (u, all) => all.map((v) => perSecond(v)) }],
		series: [{}, ...series.map((s, i) => ({
			label: s.name, stroke: colour(colours[i % colours.length]), width: 2, spanGaps: true,
			value: (u, v) => perSecond(v),
		}))],
	}, [[], ...series.map(() => [])], parent);
}

export function Chart({ label, times, series, theme }) {
	const place = useRef();
	const plot = useRef();
	const names = series.map((s) => s.name).join();
	useEffect(() => {
		plot.current = make(place.current, series);
		const watch = new ResizeObserver(() => {
			if (place.current && place.current.clientWidth > 0) {
				plot.current.setSize({ width: Math.max(240, place.current.clientWidth), height: 190 });
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
	const now = series.map((s) => `${s.name} ${perSecond(s.values[s.values.length - 1])}`).join(', ');
	return html`<div class="chart" role="img" aria-label=${`${label}: now ${now}`} ref=${place}></div>`;
}
