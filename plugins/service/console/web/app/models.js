// SPDX-License-Identifier: Apache-2.0
// The model registry: models, their versions with stage and metrics, and who promoted what.
import { html } from '../lib/preact.js';
import { Absent, Table, bytes, count, time, useData } from './ui.js';

const STAGES = { production: 'ok', staging: 'info', archived: '', none: '' };
const link = (name) => `#/models/${encodeURIComponent(name)}`;

function number(v) {
	return typeof v === 'number' ? String(Number(v.toPrecision(5))) : typeof v === 'object' ? JSON.stringify(v) : String(v);
}

function Pairs({ of }) {
	const pairs = Object.entries(of || {});
	return pairs.length === 0 ? '–' : html`<span class="small">${pairs.slice(0, 40).map(([key, value], i) => html`${i ? ', ' : ''}${key} <strong>${number(value)}</strong>`)}</span>`;
}

function quality(v) {
	if (v.quality === undefined) {
		return '–';
	}
	const against = v.compared_version ? ` (version ${v.compared_version}: ${number(v.compared_quality)})` : '';
	return `${v.measure} ${number(v.quality)}${against}`;
}

const VERSION_COLUMNS = [
	{ name: 'Version', head: true, cell: (v) => v.version },
	{ name: 'Stage', cell: (v) => html`<span class=${`badge ${STAGES[v.stage.toLowerCase()] || ''}`}>${v.stage}</span>` },
	{ name: 'Quality', cell: quality },
	{ name: 'Metrics', wide: true, cell: (v) => html`<${Pairs} of=${v.metrics} />` },
	{ name: 'Parameters', wide: true, cell: (v) => html`<${Pairs} of=${v.parameters} />` },
	{ name: 'Made by', cell: (v) => v.component },
	{ name: 'Made', cell: (v) => time(v.created) },
	{ name: 'Size', number: true, cell: (v) => bytes(v.artifact_bytes) },
];

const HISTORY_COLUMNS = [
	{ name: 'Version', head: true, cell: (t) => t.version },
	{ name: 'Change', cell: (t) => `${t.from} → ${t.to}` },
	{ name: 'State', cell: (t) => html`<span class=${`badge ${t.state === 'done' ? 'ok' : t.state === 'pending' ? 'warn' : 'bad'}`}>${t.state}${t.forced ? ', forced' : ''}</span>` },
	{ name: 'Asked', cell: (t) => `${t.requested_by}, ${time(t.requested)}` },
	{ name: 'Decided', cell: (t) => (t.decided_by ? `${t.decided_by}, ${time(t.decided)}` : '–') },
	{ name: 'Comment', wide: true, cell: (t) => [t.comment, t.decision].filter(Boolean).join(' – ') },
];

function One({ name }) {
	const of = useData('api/v1/model', { name }, 20);
	const model = of.data;
	return html`<p><a href="#/models">All models</a></p><h1 tabindex="-1">${name}</h1>
		${model ? html`${model.description ? html`<p>${model.description}</p>` : null}
			<section class="panel" aria-labelledby="h-versions"><h2 id="h-versions">Versions</h2>
				<${Table} caption=${`Versions of ${name}`} rows=${model.versions || []} keyOf=${(v) => v.version} columns=${VERSION_COLUMNS} /></section>
			<section class="panel" aria-labelledby="h-history"><h2 id="h-history">Promotions</h2>
				<${Table} caption=${`Promotions of ${name}`} rows=${model.history || []} columns=${HISTORY_COLUMNS} /></section>`
			: html`<${Absent} of=${of} what="the model registry" />`}`;
}

export function Models({ parts }) {
	return parts[0] ? html`<${One} name=${parts[0]} />` : html`<${All} />`;
}

function All() {
	const of = useData('api/v1/models', {}, 20);
	return html`<h1 tabindex="-1">Models</h1>
		${of.data ? html`<section class="panel" aria-label="Models">
			<${Table} caption="Models" rows=${of.data} keyOf=${(m) => m.name} empty="No model has been trained yet." columns=${[
				{ name: 'Model', head: true, cell: (m) => html`<a href=${link(m.name)}>${m.name}</a>` },
				{ name: 'What it is', wide: true, cell: (m) => m.description || '' },
				{ name: 'Versions', number: true, cell: (m) => count(m.versions) },
				{ name: 'Latest', number: true, cell: (m) => m.latest || '–' },
				{ name: 'In production', cell: (m) => (m.production ? html`<span class="badge ok">version ${m.production}</span>` : 'none') },
				{ name: 'Approval', cell: (m) => (m.approval ? 'needed' : 'not needed') },
			]} /></section>` : html`<${Absent} of=${of} what="the model registry" />`}`;
}
