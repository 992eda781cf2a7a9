// SPDX-License-Identifier: Apache-2.0
// Where data comes from and goes to: the datasets that lineage knows, and the graph of one of them or
// of one of its columns.
import { html, useMemo, useState } from '../lib/preact.js';
import { Graph } from './graph.js';
import { Absent, Class, Table, count, datasetLink, pipelineLink, time, useData } from './ui.js';

const NODES_MAX = 250; // drawn at once

export function Lineage({ parts }) {
	return parts[0] ? html`<${Dataset} name=${parts[0]} column=${parts[1]} />` : html`<${Datasets} />`;
}

function Datasets() {
	const of = useData('api/v1/datasets', {}, 20);
	const [wanted, setWanted] = useState('');
	const rows = (of.data || []).filter((d) => `${d.namespace} ${d.name}`.toLowerCase().includes(wanted.toLowerCase()));
	return html`<h1 tabindex="-1">Lineage</h1>
		${of.data ? html`<section class="panel" aria-label="Datasets">
			<div class="row end"><label>Find a dataset<input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /></label>
				<span class="muted small" role="status">${count(rows.length)} of ${count(of.data.length)}</span></div>
			<${Table} caption="Datasets that lineage knows" rows=${rows.slice(0, 500)} keyOf=${(d) => `${d.namespace} ${d.name}`}
				empty="Nothing is known yet: lineage is recorded when a pipeline runs." columns=${[
					{ name: 'Dataset', head: true, cell: (d) => html`<a href=${datasetLink(d.name)}>${d.name}</a>` },
					{ name: 'In', wide: true, cell: (d) => html`<span class="small muted code">${d.namespace}</span>` },
					{ name: 'Columns', number: true, cell: (d) => count(d.columns) },
					{ name: 'Highest class', cell: (d) => (d.class ? html`<${Class} name=${d.class} />` : '–') },
					{ name: 'Is', cell: (d) => [d.read ? 'read' : '', d.written ? 'written' : ''].filter(Boolean).join(' and ') },
					{ name: 'Recorded', cell: (d) => time(d.recorded) },
				]} />
			${rows.length > 500 ? html`<p class="muted">The first 500 are shown.</p>` : null}
		</section>` : html`<${Absent} of=${of} what="the list of datasets" />`}`;
}

function keyOf(side, columns) {
	return `${side.namespace}\n${side.name}${columns ? `\n${side.column}` : ''}`;
}

// Edges between columns, as they are or between their datasets.
function build(edges, name, column, columns) {
	const nodes = new Map();
	const found = new Map();
	const isStart = (side) => (side.name === name || side.name.endsWith(`.${name}`)) && (!column || side.column === column);
	const add = (side) => {
		const id = keyOf(side, columns);
		if (!nodes.has(id)) {
			nodes.set(id, {
				id,
				name: columns && side.column ? side.column : side.name,
				lines: [columns ? side.name : side.namespace],
				tone: isStart(side) ? 'start' : '',
				href: datasetLink(side.name, columns ? side.column : ''),
			});
		}
		return id;
	};
	for (const edge of edges) {
		const from = add(edge.from);
		const to = add(edge.to);
		const key = `${from}\n\n${to}`;
		const influence = edge.kind === 'influence';
		if (from === to) {
			continue;
		}
		if (!found.has(key)) {
			found.set(key, { from, to, dashed: influence, title: `pipeline ${edge.pipeline}, ${columns ? edge.kind : `stage ${edge.stage}`}` });
		} else if (!influence) {
			found.get(key).dashed = false;
		}
	}
	return { nodes: [...nodes.values()], edges: [...found.values()] };
}

const EDGE_COLUMNS = [
	{ name: 'From', wide: true, cell: (e) => html`<a href=${datasetLink(e.from.name, e.from.column)}>${e.from.name}${e.from.column ? `.${e.from.column}` : ''}</a>` },
	{ name: 'To', wide: true, cell: (e) => html`<a href=${datasetLink(e.to.name, e.to.column)}>${e.to.name}${e.to.column ? `.${e.to.column}` : ''}</a>` },
	{ name: 'How', cell: (e) => e.kind },
	{ name: 'Class', cell: (e) => html`<${Class} name=${e.class} />` },
	{ name: 'Pipeline', cell: (e) => html`<a href=${pipelineLink(e.pipeline)}>${e.pipeline}</a>` },
	{ name: 'Stage', cell: (e) => e.stage },
	{ name: 'Steps away', number: true, cell: (e) => e.distance },
];

function Direction({ title, edges }) {
	return html`<h2>${title}</h2>
		<${Table} caption=${title} rows=${edges.slice(0, 500)} columns=${EDGE_COLUMNS} empty="Nothing that is known." />
		${edges.length > 500 ? html`<p class="muted">The first 500 of ${edges.length} are shown.</p>` : null}`;
}

function columnsOf(edges, name) {
	const own = new Set();
	for (const side of edges.flatMap((e) => [e.from, e.to])) {
		if (side.column && (side.name === name || side.name.endsWith(`.${name}`))) {
			own.add(side.column);
		}
	}
	return [...own].sort();
}

function Dataset({ name, column }) {
	const of = useData('api/v1/lineage', { table: name, column, format: 'json' });
	const [asColumns, setAsColumns] = useState(false);
	const edges = useMemo(() => (of.data ? JSON.parse(of.data) : []), [of.data]);
	const columns = Boolean(column) || asColumns;
	const graph = useMemo(() => build(edges, name, column, columns), [edges, columns]);
	const head = html`<p><a href="#/lineage">All datasets</a>${column ? html` · <a href=${datasetLink(name)}>${name}</a>` : null}</p>
		<h1 tabindex="-1">${column ? `${name}.${column}` : name}</h1>`;
	if (!of.data) {
		return html`${head}<${Absent} of=${of} what="lineage" />`;
	}
	return html`${head}
		<section class="panel" aria-labelledby="h-graph">
			<div class="head"><h2 id="h-graph">${columns ? 'Columns' : 'Tables'}</h2>
				${column ? null : html`<button aria-pressed=${asColumns} onClick=${() => setAsColumns(!asColumns)}>${asColumns ? 'Show tables' : 'Show columns'}</button>`}</div>
			${graph.nodes.length > NODES_MAX
				? html`<p class="note-box">${count(graph.nodes.length)} are too many to draw: choose one column below.</p>`
				: html`<${Graph} label=${`Lineage of ${name}`} ...${graph} />`}
			${column ? null : html`<p class="small">Columns: ${columnsOf(edges, name).map((c, i) => html`${i ? ', ' : ''}<a href=${datasetLink(name, c)}>${c}</a>`)}</p>`}
		</section>
		<section class="panel" aria-label="Edges">
			<${Direction} title="Comes from" edges=${edges.filter((e) => e.upstream)} />
			<${Direction} title="Goes to" edges=${edges.filter((e) => !e.upstream)} />
		</section>`;
}
