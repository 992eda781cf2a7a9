// SPDX-License-Identifier: Apache-2.0
// The model registry: models, their versions with stage and metrics beside their baselines, and who
// promoted what.
import { html } from '../lib/preact.js';
import { Fetched, Name, Table, bytes, count, datasetLink, time, useData } from './ui.js';

const STAGES = { production: 'ok', staging: 'info', archived: '', none: '' };
const link = (name, version) => `#/models/${encodeURIComponent(name)}${version ? `/${version}` : ''}`;

const NAMES = {
	rows: 'Rows', positives: 'Positives', auc: 'AUC', pr_auc: 'PR AUC', k: 'k', precision_at_k: 'Precision at k', log_loss: 'Log loss', ece: 'ECE',
	rmse: 'RMSE', mae: 'MAE', mape: 'MAPE',
};

// What those say who are not at home with them.
const MEANINGS = {
	auc: 'AUC: the chance that a case scores above a row that is none; 0.5 is a coin.',
	pr_auc: 'PR AUC: mean precision over all thresholds; chance is the part of cases.',
	precision_at_k: 'Precision at k: how many of the k highest scores are cases.',
	log_loss: 'Log loss: how far scores are from what came, as probabilities; 0 is best.',
	ece: 'ECE: mean distance of scores from the rates that came; 0 is best.',
	rmse: 'RMSE: root of the mean squared error.',
	mae: 'MAE: mean absolute error.',
	mape: 'MAPE: mean absolute error in parts of the value.',
};

const nameOf = (key) => NAMES[key] || key.replace(/_/g, ' ');
const isPlain = (v) => v === null || typeof v !== 'object';

function number(v) {
	if (v === null || v === undefined) {
		return '–';
	}
	if (typeof v === 'number') {
		return Number.isInteger(v) ? v.toLocaleString('en') : String(Number(v.toPrecision(4)));
	}
	return isPlain(v) ? String(v) : JSON.stringify(v);
}

function quality(v) {
	if (v.quality === undefined) {
		return '–';
	}
	const against = v.compared_version ? ` (version ${v.compared_version}: ${number(v.compared_quality)})` : '';
	return `${nameOf(v.measure)} ${number(v.quality)}${against}`;
}

function Stage({ name }) {
	return html`<span class=${`badge ${STAGES[name.toLowerCase()] || ''}`}>${name}</span>`;
}

const versionColumns = (name, shown) => [
	{ name: 'Version', head: true, cell: (v) => html`<a href=${link(name, v.version)} aria-current=${v.version === shown ? 'true' : undefined}>version ${v.version}</a>` },
	{ name: 'Stage', cell: (v) => html`<${Stage} name=${v.stage} />` },
	{ name: 'Quality', cell: quality },
	{ name: 'Kind', cell: (v) => v.component },
	{ name: 'Made', whole: true, cell: (v) => time(v.created) },
	{ name: 'By', cell: (v) => v.created_by },
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

// The model and its baselines on the same rows, which none of them has learnt from.
function HoldOut({ version }) {
	const metrics = version.metrics || {};
	const rows = [{ name: `version ${version.version}`, own: true, ...metrics.hold_out }, ...(metrics.baselines || []).map((b) => ({ name: b.name, ...b.hold_out }))];
	const keys = [...new Set(rows.flatMap((r) => Object.keys(r)))].filter((key) => !['name', 'own'].includes(key) && rows.every((r) => r[key] === undefined || isPlain(r[key])));
	if (keys.length === 0) {
		return html`<p class="muted">It was not measured.</p>`;
	}
	return html`${metrics.hold_out && metrics.hold_out.positives === 0 ? html`<p class="note-box">No confirmed case is among the rows it was measured on: what needs one is not known.</p>` : null}
		<${Table} caption="On rows held out, beside its baselines" rows=${rows} keyOf=${(r) => r.name} columns=${[
			{ name: 'Model', head: true, cell: (r) => (r.own ? r.name : html`<${Name} of=${r.name} /> <span class="small muted">baseline</span>`) },
			...keys.map((key) => ({ name: nameOf(key), number: true, cell: (r) => number(r[key]) })),
		]} /><p class="small muted">${keys.map((key) => MEANINGS[key]).filter(Boolean).join(' ')}</p>`;
}

function Calibration({ bins }) {
	const known = (bins || []).filter((bin) => bin.rows > 0 && bin.mean_score !== null);
	if (known.length < 2) {
		return null;
	}
	const at = (v) => 10 + v * 180;
	return html`<section class="panel" aria-labelledby="h-calibration"><h2 id="h-calibration">Calibration</h2>
		<p class="small muted">Of rows with a score, how many were cases. On the line a score is a probability.</p>
		<div class="row top"><svg class="plot" width="200" height="200" viewBox="0 0 200 200" role="img" aria-label="Rate of cases by score; the table beside it says the same">
			<rect x="10" y="10" width="180" height="180" /><line x1="10" y1="190" x2="190" y2="10" />
			<polyline points=${known.map((bin) => `${at(bin.mean_score)},${200 - at(bin.rate)}`).join(' ')} />
			${known.map((bin) => html`<circle cx=${at(bin.mean_score)} cy=${200 - at(bin.rate)} r="3.5" />`)}
		</svg>
		<div class="grow"><${Table} caption="Calibration" rows=${known} columns=${[
			{ name: 'Mean score', head: true, cell: (bin) => number(bin.mean_score) },
			{ name: 'Rate of cases', number: true, cell: (bin) => number(bin.rate) },
			{ name: 'Rows', number: true, cell: (bin) => count(bin.rows) },
		]} /></div></div></section>`;
}

// Parameters that are plain, and each that is a list of numbers by name, largest first.
function Parameters({ of }) {
	const pairs = Object.entries(of || {});
	const groups = pairs.filter(([, v]) => !isPlain(v) && !Array.isArray(v) && Object.values(v).every((n) => typeof n === 'number'));
	const plain = pairs.filter((pair) => !groups.includes(pair));
	return html`<section class="panel" aria-labelledby="h-parameters"><h2 id="h-parameters">Parameters</h2>
		<dl class="pairs">${plain.map(([key, v]) => html`<div key=${key}><dt>${nameOf(key)}</dt><dd>${number(v)}</dd></div>`)}</dl>
		${groups.map(([key, group]) => {
		const rows = Object.entries(group).sort((a, b) => b[1] - a[1]);
		const most = Math.max(1e-9, ...rows.map((r) => r[1]));
		return html`<h3>${nameOf(key)}</h3><${Table} caption=${nameOf(key)} rows=${rows} keyOf=${(r) => r[0]} columns=${[
			{ name: 'Feature', head: true, cell: (r) => html`<${Name} of=${r[0]} />` },
			{ name: nameOf(key), number: true, cell: (r) => number(r[1]) },
			{ name: 'Of the largest', cell: (r) => html`<meter min="0" max=${most} value=${Math.max(0, r[1])} aria-label=${`${key} of ${r[0]}`}></meter>` },
		]} />`;
	})}</section>`;
}

function Version({ name, version }) {
	const features = version.features || [];
	return html`
		<section class="panel" aria-labelledby="h-metrics"><h2 id="h-metrics">Version ${version.version} on rows held out</h2><${HoldOut} version=${version} /></section>
		<${Calibration} bins=${version.metrics && version.metrics.hold_out && version.metrics.hold_out.calibration} />
		<${Parameters} of=${{ ...version.parameters, ...(version.metrics && version.metrics.fit) }} />
		<section class="panel" aria-labelledby="h-features"><h2 id="h-features">Features</h2>
			<p class="small">${features.length === 0 ? '–' : features.map((f, i) => html`${i ? ', ' : ''}<a href=${datasetLink(`model.${name}`, f.name)}>${f.name}</a>`)}</p>
			<p class="small muted">Artifact <code>${version.artifact}</code>, SHA-256 <code>${version.sha256}</code></p></section>`;
}

function One({ name, wanted }) {
	const of = useData('api/v1/model', { name }, 20);
	return html`<p><a href="#/models">All models</a></p><h1 tabindex="-1">${name}</h1>
		<${Fetched} of=${of} what="the model registry">${(model) => {
		const versions = model.versions || [];
		const shown = versions.find((v) => String(v.version) === wanted) || versions.find((v) => v.stage === 'Production') || versions[0];
		return html`${model.description ? html`<p>${model.description}</p>` : null}
			<section class="panel" aria-labelledby="h-versions"><h2 id="h-versions">Versions</h2>
				<${Table} caption=${`Versions of ${name}`} rows=${versions} keyOf=${(v) => v.version} columns=${versionColumns(name, shown && shown.version)} empty="No version has been trained yet." /></section>
			${shown ? html`<${Version} name=${name} version=${shown} />` : null}
			<section class="panel" aria-labelledby="h-history"><h2 id="h-history">Promotions</h2>
				<${Table} caption=${`Promotions of ${name}`} rows=${model.history || []} columns=${HISTORY_COLUMNS} /></section>`;
	}}<//>`;
}

export function Models({ parts }) {
	return parts[0] ? html`<${One} name=${parts[0]} wanted=${parts[1]} />` : html`<${All} />`;
}

function All() {
	const of = useData('api/v1/models', {}, 20);
	return html`<h1 tabindex="-1">Models</h1>
		<${Fetched} of=${of} what="the model registry">${(data) => html`<section class="panel" aria-label="Models">
			<${Table} caption="Models" rows=${data} keyOf=${(m) => m.name} empty="No model has been trained yet." columns=${[
				{ name: 'Model', head: true, cell: (m) => html`<a href=${link(m.name)}><${Name} of=${m.name} /></a>` },
				{ name: 'What it is', wide: true, cell: (m) => m.description || '' },
				{ name: 'Versions', number: true, cell: (m) => count(m.versions) },
				{ name: 'Latest', number: true, cell: (m) => m.latest || '–' },
				{ name: 'In production', cell: (m) => (m.production ? html`<span class="badge ok">version ${m.production}</span>` : 'none') },
				{ name: 'Approval', cell: (m) => (m.approval ? 'needed' : 'not needed') },
			]} /></section>`}<//>`;
}
